//! Layers on their way here: written to a file while they come, and gone on with where the
//! connection broke.

use std::time::Duration;

use http::{Method, StatusCode, header::CONTENT_RANGE};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::Registry;
use crate::{
    images::{ImageError, digest, manifest::Descriptor},
    stdx::backoff::doubling,
};

/// How long nothing may come.
pub(super) const IDLE: Duration = Duration::from_secs(30);
/// How often a broken transfer is gone on with.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Least speed over the whole of a transfer, in bytes a second, once it has had a minute: a
/// server that drips keeps everything else waiting.
const LEAST_SPEED: u64 = 4 * 1024;
const BEGIN: Duration = Duration::from_secs(60);

impl Registry {
    /// Writes the blob to `file`, which is empty, and checks its length and digest.
    pub(in crate::images) async fn blob(
        &self,
        found: &Descriptor,
        file: std::fs::File,
    ) -> Result<(), ImageError> {
        let mut coming = Coming {
            file: tokio::fs::File::from_std(file),
            hasher: Sha256::new(),
            read: 0,
            begun: tokio::time::Instant::now(),
        };
        let mut tries = 0;
        loop {
            match self.go_on(found, &mut coming).await {
                Ok(()) => break,
                Err(error) if error.is_passing() && tries + 1 < TRIES => {
                    tokio::time::sleep(doubling(FIRST_PAUSE, tries, LONGEST_PAUSE)).await;
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
        coming
            .file
            .flush()
            .await
            .map_err(ImageError::io("write a layer"))?;
        let told = format!("sha256:{}", digest::hex(coming.hasher.finalize()));
        if coming.read == found.size && told == found.digest {
            return Ok(());
        }
        Err(ImageError::refused(
            format!("a layer that registry {} sent", self.name),
            format!("has the digest {told}, and should have {}", found.digest),
        ))
    }

    async fn go_on(&self, found: &Descriptor, coming: &mut Coming) -> Result<(), ImageError> {
        let path = self.blob_path(&found.digest);
        let from = Some(coming.read);
        let response = self.ask(Method::GET, &path, "*/*", from).await?;
        let response = self.check(response).await?;
        let goes_on = response.status() == StatusCode::PARTIAL_CONTENT && {
            let range = response.headers().get(CONTENT_RANGE);
            let range = range.and_then(|it| it.to_str().ok()).unwrap_or_default();
            range.starts_with(&format!("bytes {}-", coming.read))
        };
        if coming.read > 0 && !goes_on {
            coming.begin_again().await?;
        }
        let mut body = response.into_body();
        loop {
            let frame = match tokio::time::timeout(IDLE, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return Err(self.broken(error.into())),
                Ok(None) if coming.read < found.size => {
                    return Err(self.broken("it ended before all was there".into()));
                }
                Ok(None) => return Ok(()),
                Err(_) => return Err(self.timed_out()),
            };
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            coming.read += bytes.len() as u64;
            if coming.read > found.size {
                return Err(ImageError::refused(
                    format!("a layer that registry {} sent", self.name),
                    format!("is longer than the {} bytes of its manifest", found.size),
                ));
            }
            coming.hasher.update(&bytes);
            coming
                .file
                .write_all(&bytes)
                .await
                .map_err(ImageError::io("write a layer"))?;
            if coming.is_too_slow() {
                return Err(ImageError::refused(
                    format!("registry {}", self.name),
                    format!("sends less than {LEAST_SPEED} bytes a second"),
                ));
            }
        }
    }
}

struct Coming {
    file: tokio::fs::File,
    hasher: Sha256,
    read: u64,
    begun: tokio::time::Instant,
}

impl Coming {
    async fn begin_again(&mut self) -> Result<(), ImageError> {
        let failed = || ImageError::io("write a layer");
        self.file.set_len(0).await.map_err(failed())?;
        self.file.rewind().await.map_err(failed())?;
        self.hasher = Sha256::new();
        self.read = 0;
        Ok(())
    }

    fn is_too_slow(&self) -> bool {
        let past = self.begun.elapsed();
        past > BEGIN && self.read < LEAST_SPEED.saturating_mul(past.as_secs())
    }
}
