//! Uploads: the bits of a package or droplet, streamed to the disk and never held in memory.

use std::io;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, header},
};
use futures_util::TryStreamExt as _;
use multer::{Constraints, Field, Multipart, SizeLimit};
use serde_json::Value;
use tokio_util::io::StreamReader;

use crate::{
    actions::{ActionError, Actions, Upload},
    api::{
        Api, Failure,
        answer::{Underway, accepted},
        error::SMALLER,
        extract::{Auth, Base, Id},
        raw,
    },
    blobs::{Blob, BlobError},
    model::{DropletId, PackageId},
    stdx::bytes,
    wire::{
        self,
        package::{self, Resource},
    },
};

/// Most bytes of the list of files that are kept already.
const MOST_LISTED: u64 = 16 * 1024 * 1024;
/// What the envelope of an upload may take besides the bits: boundaries, headers, the list.
const ENVELOPE: u64 = MOST_LISTED + 64 * 1024;

/// `POST /v3/packages/:guid/upload`.
pub(super) async fn upload(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<PackageId>,
    raw::Multipart { headers, body }: raw::Multipart,
) -> Result<Json<Value>, Failure> {
    api.actions.check_upload(&caller, id)?;
    let limit = api.actions.config.upload;
    if length(&headers).is_some_and(|length| length > limit.saturating_add(ENVELOPE)) {
        return Err(too_large(limit).into());
    }
    let upload = receive(&api.actions, &headers, body).await?;
    let package = api.actions.finish_upload(&caller, id, upload).await?;
    Ok(Json(package::present(&package, &base)))
}

/// `POST /v3/droplets/:guid/upload`.
pub(super) async fn droplet(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<DropletId>,
    raw::Multipart { headers, body }: raw::Multipart,
) -> Result<Underway, Failure> {
    api.actions.check_droplet_upload(&caller, id)?;
    let limit = api.actions.config.upload;
    if length(&headers).is_some_and(|length| length > limit.saturating_add(ENVELOPE)) {
        return Err(too_large(limit).into());
    }
    let upload = receive(&api.actions, &headers, body).await?;
    let Some(bits) = upload.bits else {
        return Err(wire::Error::unprocessable(
            "Upload must have a part 'bits' with the droplet, a tar in gzip.",
        )
        .into());
    };
    let done = api.actions.finish_droplet_upload(&caller, id, bits).await?;
    let (droplet, job) = done;
    let document = wire::droplet::present(&droplet, &base);
    Ok(Underway(accepted(&base, &job), document))
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
    let limit = bytes::display(limit);
    wire::Error::too_large(format!(
        "the upload is larger than the limit of {limit}. {SMALLER}"
    ))
}

/// The one file of an upload whose part is named `bits`, and its name.
pub(super) async fn one_file(
    actions: &Actions,
    raw::Multipart { headers, body }: raw::Multipart,
) -> Result<(Blob, String), Failure> {
    let limit = actions.config.upload;
    if length(&headers).is_some_and(|length| length > limit.saturating_add(ENVELOPE)) {
        return Err(too_large(limit).into());
    }
    let mut parts = parts(actions, &headers, body)?;
    loop {
        let next = parts.next_field().await;
        let Some(field) = next.map_err(|error| broken(actions, &error))? else {
            return Err(
                wire::Error::unprocessable("Upload must have a part 'bits' with a zip.").into(),
            );
        };
        if field.name() == Some("bits") {
            let name = field.file_name().unwrap_or("buildpack.zip");
            let name = name.rsplit(['/', '\\']).next().unwrap_or(name).to_owned();
            return Ok((bits(actions, field).await?, name));
        }
    }
}

fn parts(
    actions: &Actions,
    headers: &HeaderMap,
    body: Body,
) -> Result<Multipart<'static>, Failure> {
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
    Ok(Multipart::with_constraints(
        body.into_data_stream(),
        boundary,
        constraints,
    ))
}

async fn receive(actions: &Actions, headers: &HeaderMap, body: Body) -> Result<Upload, Failure> {
    let mut parts = parts(actions, headers, body)?;
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
