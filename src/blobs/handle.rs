//! The handle on archives and trees.

use std::{
    collections::{BTreeSet, HashMap},
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::{
    Blob, BlobError, Limits, Resource,
    archives::Archives,
    droplet, hash,
    hash::Hashing,
    package,
    pool::{self, Pool},
    trees::{self, Trees},
    zipped,
};
use crate::model::{AppId, DropletId};

/// Bytes of an upload that are written at once.
const PIECE: usize = 128 * 1024;
/// A text that differs after each boot of the host (random(4)).
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// The handle on all archives and trees; clones share it.
#[derive(Debug, Clone)]
pub struct Blobs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    archives: Archives,
    trees: Trees,
    pool: Pool,
    /// Trees that are being made, so that each is made once.
    making: Mutex<HashMap<DropletId, Weak<tokio::sync::Mutex<()>>>>,
}

impl Blobs {
    /// Opens (and makes) the folder; removes what an interrupted predecessor left half done.
    /// Blocks.
    ///
    /// # Errors
    /// [`BlobError::Io`] where the folder cannot be made or cleaned up.
    pub fn open(dir: &Path, limits: Limits) -> Result<Self, BlobError> {
        Self::open_with(dir, limits, pool::LARGEST).map(|shared| Self {
            shared: Arc::new(shared),
        })
    }

    fn open_with(dir: &Path, limits: Limits, pool: u64) -> Result<Shared, BlobError> {
        let half = dir.join("half");
        for made in [dir, &half] {
            fs::create_dir_all(made).map_err(BlobError::at("make", made))?;
        }
        trees::empty(&half)?;
        forget_after_boot(dir, Path::new(BOOT))?;
        Ok(Shared {
            limits,
            archives: Archives::open(dir.join("archives"), half.clone())?,
            trees: Trees::open(dir.join("trees"), half.clone())?,
            pool: Pool::open(dir.join("pool"), half, pool)?,
            making: Mutex::default(),
        })
    }

    /// One for tests: a small pool, and archives go at once.
    #[cfg(test)]
    pub(super) fn strict(dir: &Path, limits: Limits, pool: u64) -> Self {
        let mut shared = Self::open_with(dir, limits, pool).unwrap();
        shared.archives.without_grace();
        Self {
            shared: Arc::new(shared),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || work(&shared))
            .await
            .unwrap_or_else(|error| Err(BlobError::io("finish")(io::Error::other(error))))
    }

    /// Keeps what `reader` gives, up to the upload limit. Same content is kept once.
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`] past the limit, [`BlobError::Io`] where reading or writing
    /// fails.
    pub async fn put(&self, reader: impl AsyncRead + Send) -> Result<Blob, BlobError> {
        let failed = || BlobError::io("keep the upload");
        let limit = self.shared.limits.upload;
        let (draft, file) = self
            .blocking(|shared| {
                let draft = shared.archives.begin()?;
                let file = draft
                    .as_file()
                    .try_clone()
                    .map_err(BlobError::io("keep the upload"))?;
                Ok((draft, file))
            })
            .await?;
        let mut file = tokio::fs::File::from_std(file);
        let mut reader = std::pin::pin!(reader);
        let mut buffer = vec![0; PIECE];
        let mut hasher = Sha256::new();
        let mut size = 0;
        loop {
            let read = reader
                .read(&mut buffer)
                .await
                .map_err(BlobError::io("read the upload"))?;
            if read == 0 {
                break;
            }
            size += read as u64;
            if size > limit {
                return Err(BlobError::too_large("the upload", limit));
            }
            hasher.update(&buffer[..read]);
            file.write_all(&buffer[..read]).await.map_err(failed())?;
        }
        file.flush().await.map_err(failed())?;
        let sha256 = hash::hex(hasher.finalize());
        self.blocking(move |shared| shared.archives.keep(draft, sha256, size))
            .await
    }

    /// Makes a package of an uploaded zip and of files that are already kept; what the zip
    /// holds is remembered for later matching. The result is a normal zip in the store.
    ///
    /// # Errors
    /// [`BlobError::Refused`] and [`BlobError::TooLarge`] where [`Blobs::unpack_package`]
    /// would refuse the result, and where a matched file is no longer kept.
    pub async fn put_package(
        &self,
        zip: Option<Blob>,
        matched: Vec<Resource>,
    ) -> Result<Blob, BlobError> {
        self.blocking(|shared| {
            package::make(&shared.archives, &shared.pool, shared.limits, zip, matched)
        })
        .await
    }

    /// The resources among `asked` that are kept.
    #[must_use]
    pub fn matching(&self, asked: &[Resource]) -> Vec<Resource> {
        asked
            .iter()
            .filter(|resource| self.shared.pool.has(resource))
            .cloned()
            .collect()
    }

    /// The file of a blob, for streaming it out.
    ///
    /// # Errors
    /// [`BlobError::Missing`] where there is none.
    pub fn path(&self, sha256: &str) -> Result<PathBuf, BlobError> {
        self.shared.archives.path(sha256)
    }

    /// Unpacks a package's zip into `into`, which exists and is empty, owned by `owner`
    /// (host user and group id) where given.
    ///
    /// # Errors
    /// [`BlobError::Refused`] and [`BlobError::TooLarge`] where the archive is not what it
    /// should be; `into` is empty again then.
    pub async fn unpack_package(
        &self,
        sha256: &str,
        into: &Path,
        owner: Option<u32>,
    ) -> Result<(), BlobError> {
        let (sha256, into) = (sha256.to_owned(), into.to_owned());
        self.blocking(move |shared| {
            let file = shared.archives.open_file(&sha256)?;
            let unpacked = zipped::unpack(file, &into, shared.limits, owner);
            if unpacked.is_err() {
                trees::empty(&into)?;
            }
            unpacked
        })
        .await
    }

    /// Packs the tree `home` (seen as `/home/vcap`) into a droplet archive, keeps it, and
    /// moves `home` to where [`Blobs::tree`] finds it, so that a start needs no unpacking.
    /// Nothing may write to `home` any more.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`] where the tree is larger than what may be unpacked.
    pub async fn put_droplet(
        &self,
        app: AppId,
        droplet: DropletId,
        home: &Path,
    ) -> Result<Blob, BlobError> {
        let home = home.to_owned();
        self.blocking(move |shared| shared.put_droplet(app, droplet, &home))
            .await
    }

    /// Makes a droplet's archive of an uploaded one, a tar in gzip, and tells what its gzip header
    /// says beside it.
    ///
    /// # Errors
    /// [`BlobError::Refused`] and [`BlobError::TooLarge`] where it is not what it should be.
    pub async fn import_droplet(&self, sha256: &str) -> Result<(Blob, Option<Vec<u8>>), BlobError> {
        let sha256 = sha256.to_owned();
        self.blocking(move |shared| {
            let uploaded = shared.archives.open_file(&sha256)?;
            let draft = shared.archives.begin()?;
            let out = Hashing::new(io::BufWriter::new(draft.as_file()));
            let (out, comment) = droplet::recompress(uploaded, shared.limits, out)?;
            let (writer, sha256, size) = out.finish();
            writer
                .into_inner()
                .map_err(|error| BlobError::io("keep the droplet")(error.into_error()))?;
            let blob = shared.archives.keep(draft, sha256, size)?;
            // Only what can be unpacked is a droplet.
            let trial = shared.trees.begin()?;
            let file = shared.archives.open_file(&blob.sha256)?;
            droplet::unpack(file, &blob.sha256, trial.path(), shared.limits, None)?;
            Ok((blob, comment))
        })
        .await
    }

    /// The unpacked tree of a droplet, unpacked now if need be. Never written to by apps.
    ///
    /// Its links may lead anywhere, as those of a virtual environment do; who follows them
    /// outside a sandbox has to see where they lead.
    ///
    /// # Errors
    /// [`BlobError::Missing`] where the archive is gone; otherwise as for packages.
    pub async fn tree(
        &self,
        app: AppId,
        droplet: DropletId,
        sha256: &str,
        owner: Option<u32>,
    ) -> Result<PathBuf, BlobError> {
        let place = self.shared.trees.path(app, droplet);
        let making = self.shared.making(droplet);
        // The guard goes along, since the work goes on where this future is dropped.
        let guard = making.lock_owned().await;
        let sha256 = sha256.to_owned();
        self.blocking(move |shared| {
            let _guard = guard;
            if !place.is_dir() {
                let file = shared.archives.open_file(&sha256)?;
                shared.unpack_tree(app, droplet, file, &sha256, owner)?;
            }
            Ok(place)
        })
        .await
    }

    /// Removes the unpacked trees of `app` but those of `keep`.
    ///
    /// # Errors
    /// [`BlobError::Io`] where one cannot be removed.
    pub async fn retain_trees(&self, app: AppId, keep: &[DropletId]) -> Result<(), BlobError> {
        let keep = keep.to_owned();
        self.blocking(move |shared| shared.trees.retain(app, &keep))
            .await
    }

    /// Removes every blob whose digest is not in `keep`. One that was put within the last ten
    /// minutes stays, since what refers to it may still be on its way into the store.
    ///
    /// # Errors
    /// [`BlobError::Io`] where one cannot be removed.
    pub async fn retain(&self, keep: BTreeSet<String>) -> Result<(), BlobError> {
        self.blocking(move |shared| shared.archives.retain(&keep))
            .await
    }
}

impl Shared {
    fn making(&self, droplet: DropletId) -> Arc<tokio::sync::Mutex<()>> {
        let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        making.retain(|_, lock| lock.strong_count() > 0);
        making
            .get(&droplet)
            .and_then(Weak::upgrade)
            .unwrap_or_else(|| {
                let lock = Arc::default();
                making.insert(droplet, Arc::downgrade(&lock));
                lock
            })
    }

    fn put_droplet(&self, app: AppId, droplet: DropletId, home: &Path) -> Result<Blob, BlobError> {
        let draft = self.archives.begin()?;
        let out = Hashing::new(io::BufWriter::new(draft.as_file()));
        let (writer, sha256, size) = droplet::pack(home, self.limits, out)?.finish();
        writer
            .into_inner()
            .map_err(|error| BlobError::io("keep the droplet")(error.into_error()))?;
        let blob = self.archives.keep(draft, sha256, size)?;
        if !self.trees.keep(home, app, droplet)? {
            // Another file system: what is archived is what would be copied.
            let owner = fs::symlink_metadata(home)
                .map_err(BlobError::at("read", home))?
                .uid();
            let owner = (owner != 0).then_some(owner);
            let file = self.archives.open_file(&blob.sha256)?;
            self.unpack_tree(app, droplet, file, &blob.sha256, owner)?;
            trees::remove_tree(home)?;
        }
        Ok(blob)
    }

    fn unpack_tree(
        &self,
        app: AppId,
        droplet: DropletId,
        file: fs::File,
        sha256: &str,
        owner: Option<u32>,
    ) -> Result<(), BlobError> {
        let draft = self.trees.begin()?;
        droplet::unpack(file, sha256, draft.path(), self.limits, owner)?;
        self.trees.keep(draft.path(), app, droplet)?;
        // It is elsewhere now.
        let _ = draft.keep();
        Ok(())
    }
}

/// Removes what was not made durable, where the host was started anew since: trees and pool
/// are many files, which it would take long to sync, and they can be had again.
pub(super) fn forget_after_boot(dir: &Path, boot: &Path) -> Result<(), BlobError> {
    let Ok(now) = fs::read(boot) else {
        return Ok(());
    };
    let note = dir.join("boot");
    if fs::read(&note).is_ok_and(|then| then == now) {
        return Ok(());
    }
    for made in ["trees", "pool"] {
        trees::remove_tree(&dir.join(made))?;
    }
    fs::write(&note, now).map_err(BlobError::at("write", &note))
}
