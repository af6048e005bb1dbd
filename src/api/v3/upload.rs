//! Uploads: the bits of a package, streamed to the disk and never held in memory.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, BodyDataStream},
    extract::State,
    http::{HeaderMap, header},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use multer::{Constraints, Field, Multipart, SizeLimit};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio_util::io::StreamReader;

use crate::{
    actions::{ActionError, Actions, Upload},
    api::{
        Api, Failure,
        extract::{Auth, Base, Id},
    },
    blobs::{Blob, BlobError},
    model::PackageId,
    wire::{
        self,
        package::{self, Resource},
    },
};

/// Most bytes of the list of files that are kept already.
const MOST_LISTED: u64 = 16 * 1024 * 1024;
/// What the envelope of an upload may take besides the bits: boundaries, headers, the list.
const ENVELOPE: u64 = MOST_LISTED + 64 * 1024;
/// How long a refused upload is still read: some gigabytes from near, and not so long that a
/// hostile client could keep much busy.
const LINGER: Duration = Duration::from_secs(4);

/// `POST /v3/packages/:guid/upload`.
pub(super) async fn upload(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<PackageId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Failure> {
    api.actions.check_upload(&caller, id)?;
    let incoming = Incoming::new(body);
    let limit = api.actions.config.upload;
    if length(&headers).is_some_and(|length| length > limit.saturating_add(ENVELOPE)) {
        // A client that asks first has not begun to send (RFC 9110, 10.1.1).
        if !headers.contains_key(header::EXPECT) {
            incoming.linger().await;
        }
        return Err(too_large(limit).into());
    }
    let upload = match receive(&api.actions, &headers, &incoming).await {
        Ok(upload) => upload,
        Err(failure) => {
            incoming.linger().await;
            return Err(failure);
        }
    };
    let package = api.actions.finish_upload(&caller, id, upload).await?;
    Ok(Json(package::present(&package, &base)))
}

/// A body that can still be read by the one who refused it.
#[derive(Debug, Clone)]
struct Incoming(Arc<Mutex<BodyDataStream>>);

impl Incoming {
    fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(body.into_data_stream())))
    }

    async fn next(self) -> Option<(Result<Bytes, axum::Error>, Self)> {
        let chunk = self.0.lock().await.next().await?;
        Some((chunk, self))
    }

    /// Goes on reading for a moment before the refusal is told. Clients that hear an answer, or
    /// lose the connection, while they still send report that instead of the answer's words;
    /// the stock command line is one of them.
    async fn linger(&self) {
        let rest = stream::unfold(self.clone(), Self::next);
        // Whether the body ended or the time did, the answer is the same.
        let _ = tokio::time::timeout(LINGER, rest.for_each(async |chunk| drop(chunk))).await;
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn too_large(limit: u64) -> wire::Error {
    let mebibytes = limit / (1024 * 1024);
    wire::Error::too_large(format!(
        "The package is larger than the limit of {mebibytes}M. List what the app does not need \
         in .cfignore, or ask the operator for a larger limit."
    ))
}

async fn receive(
    actions: &Actions,
    headers: &HeaderMap,
    incoming: &Incoming,
) -> Result<Upload, Failure> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(|_| {
        wire::Error::unprocessable(
            "Upload must be multipart/form-data with a part 'bits' (the zip), a part 'resources' \
             (a list of matched files), or both.",
        )
    })?;
    // The parts of an upload are bounded each; unknown ones are skipped, but not for ever.
    let most = SizeLimit::new()
        .whole_stream(actions.config.upload.saturating_add(ENVELOPE))
        .for_field("resources", MOST_LISTED);
    let constraints = Constraints::new().size_limit(most);
    let stream = stream::unfold(incoming.clone(), Incoming::next);
    let mut parts = Multipart::with_constraints(stream, boundary, constraints);
    let mut upload = Upload::default();
    let mut parted = false;
    loop {
        let next = parts.next_field().await;
        let Some(field) = next.map_err(|error| broken(actions, &error))? else {
            break;
        };
        match field.name() {
            Some("resources") => {
                parted = true;
                upload.matched = listed(actions, field).await?;
            }
            Some("bits") => {
                parted = true;
                upload.bits = Some(bits(actions, field).await?);
            }
            _ => {}
        }
    }
    if !parted || (upload.bits.is_none() && upload.matched.is_empty()) {
        return Err(wire::Error::unprocessable(
            "Upload must have a part 'bits' with a zip, or name at least one file in a part \
             'resources'.",
        )
        .into());
    }
    Ok(upload)
}

async fn listed(
    actions: &Actions,
    field: Field<'_>,
) -> Result<Vec<crate::blobs::Resource>, Failure> {
    let text = field.bytes().await;
    let text = text.map_err(|error| broken(actions, &error))?;
    let resources: Vec<Resource> = serde_json::from_slice(&text).map_err(|error| {
        wire::Error::unprocessable(format!(
            "The part 'resources' is not a list of files: {error}"
        ))
    })?;
    Ok(resources.iter().map(super::packages::kept).collect())
}

async fn bits(actions: &Actions, field: Field<'_>) -> Result<Blob, Failure> {
    let reader = StreamReader::new(field.map_err(io::Error::other));
    actions.blobs.put(reader).await.map_err(|error| {
        // What the client did wrong is somewhere inside what the reader told the store.
        let BlobError::Io { source, .. } = &error else {
            return ActionError::Blob(error).into();
        };
        let inner = source.get_ref();
        match inner.and_then(|inner| inner.downcast_ref::<multer::Error>()) {
            Some(cause) => broken(actions, cause).into(),
            None => ActionError::Blob(error).into(),
        }
    })
}

/// What is told where the body is not what it should be.
fn broken(actions: &Actions, error: &multer::Error) -> wire::Error {
    match error {
        multer::Error::FieldSizeExceeded { .. } => wire::Error::too_large(format!(
            "The part 'resources' is larger than {MOST_LISTED} bytes."
        )),
        multer::Error::StreamSizeExceeded { .. } => too_large(actions.config.upload),
        _ => wire::Error::bad_request("The upload broke off or is malformed. Upload it again."),
    }
}
