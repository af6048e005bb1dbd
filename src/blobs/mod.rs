//! Packages and droplets: archives by digest, and the trees that are unpacked from them.
//!
//! Everything that comes out of an archive is hostile: names that climb, links that lead out,
//! bombs. Unpacking refuses them and leaves nothing behind.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::io::AsyncRead;

use crate::model::{AppId, DropletId};

/// An archive that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Length in bytes.
    pub size: u64,
}

/// Most that an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an upload.
    pub upload: u64,
    /// Bytes of everything unpacked.
    pub unpacked: u64,
    /// Files, folders and links.
    pub entries: u64,
}

/// Why an archive or tree could not be kept or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// More than a limit allows.
    #[error("{what} is larger than the limit of {limit}")]
    TooLarge {
        /// What is too large, for the user.
        what: &'static str,
        /// The limit, for the user.
        limit: String,
    },
    /// The archive is not one, or holds something that is refused.
    #[error("{0}")]
    Refused(String),
    /// Nothing is kept under this digest.
    #[error("nothing is kept under {0}")]
    Missing(String),
    /// A file could not be read or written.
    #[error("cannot {what}")]
    Io {
        /// What was attempted.
        what: String,
        /// What the kernel said.
        source: std::io::Error,
    },
}

/// A file of the user's that is already kept, by its SHA-1 (Cloud Foundry's resource matching).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Path in the package.
    pub path: String,
    /// SHA-1 in hexadecimal.
    pub sha1: String,
    /// Length in bytes.
    pub size: u64,
    /// Unix permission bits.
    pub mode: u32,
}

/// The handle on all archives and trees; clones share it.
#[derive(Debug, Clone)]
pub struct Blobs {
    dir: Arc<Path>,
}

#[expect(
    clippy::unused_async,
    clippy::missing_errors_doc,
    reason = "the interface"
)]
impl Blobs {
    /// Opens (and makes) the folder; removes what an interrupted predecessor left half done.
    pub fn open(dir: &Path, limits: Limits) -> Result<Self, BlobError> {
        let _ = limits;
        Ok(Self { dir: dir.into() })
    }

    /// Keeps what `reader` gives, up to the upload limit. Same content is kept once.
    pub async fn put(&self, reader: impl AsyncRead + Send) -> Result<Blob, BlobError> {
        let _ = reader;
        Err(BlobError::Missing(String::new()))
    }

    /// Makes a package of an uploaded zip and of files that are already kept; what the zip
    /// holds is remembered for later matching. The result is a normal zip in the store.
    pub async fn put_package(
        &self,
        zip: Option<Blob>,
        matched: Vec<Resource>,
    ) -> Result<Blob, BlobError> {
        let _ = (zip, matched);
        Err(BlobError::Missing(String::new()))
    }

    /// The resources among `asked` that are kept.
    #[must_use]
    pub fn matching(&self, asked: &[Resource]) -> Vec<Resource> {
        let _ = asked;
        Vec::new()
    }

    /// The file of a blob, for streaming it out.
    pub fn path(&self, sha256: &str) -> Result<PathBuf, BlobError> {
        Ok(self.dir.join(sha256))
    }

    /// Unpacks a package's zip into `into`, which exists and is empty, owned by `owner`
    /// (host user and group id) where given.
    pub async fn unpack_package(
        &self,
        sha256: &str,
        into: &Path,
        owner: Option<u32>,
    ) -> Result<(), BlobError> {
        let _ = (sha256, into, owner);
        Err(BlobError::Missing(String::new()))
    }

    /// Packs the tree `home` (seen as `/home/vcap`) into a droplet archive, keeps it, and
    /// moves `home` to where [`Blobs::tree`] finds it, so that a start needs no unpacking.
    pub async fn put_droplet(
        &self,
        app: AppId,
        droplet: DropletId,
        home: &Path,
    ) -> Result<Blob, BlobError> {
        let _ = (app, droplet, home);
        Err(BlobError::Missing(String::new()))
    }

    /// The unpacked tree of a droplet, unpacked now if need be. Never written to by apps.
    pub async fn tree(
        &self,
        app: AppId,
        droplet: DropletId,
        sha256: &str,
        owner: Option<u32>,
    ) -> Result<PathBuf, BlobError> {
        let _ = (app, droplet, sha256, owner);
        Err(BlobError::Missing(String::new()))
    }

    /// Removes the unpacked trees of `app` but those of `keep`.
    pub async fn retain_trees(&self, app: AppId, keep: &[DropletId]) -> Result<(), BlobError> {
        let _ = (app, keep);
        Ok(())
    }

    /// Removes every blob whose digest is not in `keep`.
    pub async fn retain(&self, keep: std::collections::BTreeSet<String>) -> Result<(), BlobError> {
        let _ = keep;
        Ok(())
    }
}
