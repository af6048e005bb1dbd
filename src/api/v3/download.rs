//! Downloads of packages and droplets.

use std::{fs::File, io, path::PathBuf};

use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use tokio::sync::mpsc;
use tokio_util::io::ReaderStream;

use crate::{
    actions::ActionError,
    api::{
        Api, Failure,
        extract::{Auth, Id},
        openapi::{Answers, Operation},
    },
    blobs::BlobError,
    model::{DropletId, PackageId},
    wire::droplet::Recipe,
};

/// Bytes that go to the client at a time.
const CHUNK: usize = 64 * 1024;
/// Chunks that wait for a slow client.
const WAITING: usize = 4;

/// Files as answers, by their kind.
macro_rules! files {
    ($($(#[$doc:meta])* $name:ident $media:literal;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name(Response);

        impl IntoResponse for $name {
            fn into_response(self) -> Response {
                self.0
            }
        }

        impl Answers for $name {
            fn describe(operation: &mut Operation) {
                operation.answer(200, Some(($media, serde_json::json!(true))));
            }
        }
    )*};
}

files! {
    /// A package.
    Zip "application/zip";
    /// A droplet.
    Gzip "application/gzip";
}

/// `GET /v3/packages/:guid/download`: the zip.
pub(super) async fn package(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<PackageId>,
) -> Result<Zip, Failure> {
    let sha256 = api.actions.package_bits(&caller, id)?;
    let path = api.actions.blobs.path(&sha256).map_err(ActionError::from)?;
    let missing = |source| {
        ActionError::from(BlobError::Io {
            what: "open a package".to_owned(),
            source,
        })
    };
    let file = tokio::fs::File::open(path).await.map_err(missing)?;
    let length = file.metadata().await.map_err(missing)?.len();
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"package_{id}.zip\""),
        ),
    ];
    let body = Body::from_stream(ReaderStream::with_capacity(file, CHUNK));
    Ok(Zip((headers, body).into_response()))
}

/// `GET /v3/droplets/:guid/download`: the archive, from zstd to the gzip that clients expect.
pub(super) async fn droplet(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<DropletId>,
) -> Result<Gzip, Failure> {
    let sha256 = api.actions.droplet_bits(&caller, id)?;
    let recipe = Recipe::of(&*api.actions.droplet(&caller, id)?);
    let recipe = serde_json::to_vec(&recipe).unwrap_or_default();
    let path = api.actions.blobs.path(&sha256).map_err(ActionError::from)?;
    let (sender, receiver) = mpsc::channel(WAITING);
    // Ends with the archive, or as soon as the client is gone and nobody receives.
    tokio::task::spawn_blocking(move || {
        let mut chunks = Chunks {
            sender,
            buffer: Vec::with_capacity(CHUNK),
        };
        if let Err(error) = recompress(path, recipe, &mut chunks) {
            if error.kind() != io::ErrorKind::BrokenPipe {
                tracing::error!(%error, droplet = %id, "a droplet cannot be read");
            }
            // A body that ends early without an error would look whole.
            let _ = chunks.sender.blocking_send(Err(error));
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/gzip".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"droplet_{id}.tgz\""),
        ),
    ];
    let body = Body::from_stream(futures_util::stream::unfold(
        receiver,
        async |mut receiver| receiver.recv().await.map(|chunk| (chunk, receiver)),
    ));
    Ok(Gzip((headers, body).into_response()))
}

/// `comment` goes into the header, where programs that unpack pass over it.
fn recompress(path: PathBuf, comment: Vec<u8>, chunks: &mut Chunks) -> io::Result<()> {
    let mut archive = zstd::stream::read::Decoder::new(File::open(path)?)?;
    let header = GzBuilder::new().comment(comment);
    let mut encoder = header.write(&mut *chunks, Compression::fast());
    io::copy(&mut archive, &mut encoder)?;
    encoder.finish()?;
    io::Write::flush(chunks)
}

/// Hands what is written to it on, a chunk at a time.
struct Chunks {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl io::Write for Chunks {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(data);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.sender
            .blocking_send(Ok(full.into()))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn an_archive_comes_out_as_it_was_in_gzip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("droplet");
        let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(&path, zstd::encode_all(&content[..], 1).unwrap()).unwrap();
        let (sender, mut receiver) = mpsc::channel(1);
        let writer = std::thread::spawn(move || {
            let buffer = Vec::new();
            recompress(path, b"{}".to_vec(), &mut Chunks { sender, buffer })
        });
        let mut zipped = Vec::new();
        while let Some(chunk) = receiver.blocking_recv() {
            zipped.extend_from_slice(&chunk.unwrap());
        }
        writer.join().unwrap().unwrap();
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&zipped[..])
            .read_to_end(&mut back)
            .unwrap();
        assert!(back == content);
    }

    #[test]
    fn a_client_that_leaves_ends_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("droplet");
        let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(&path, zstd::encode_all(&content[..], 1).unwrap()).unwrap();
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        let buffer = Vec::new();
        let error = recompress(path, b"{}".to_vec(), &mut Chunks { sender, buffer }).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
