//! Archives by their digest.

use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tempfile::NamedTempFile;

use super::{Blob, BlobError, hash};

/// How long an archive is kept without anybody referring to it: what was just put is not
/// yet in the state that says what is in use.
const GRACE: Duration = Duration::from_secs(10 * 60);

/// The folder of archives.
#[derive(Debug)]
pub(super) struct Archives {
    dir: PathBuf,
    half: PathBuf,
    fresh: Mutex<HashMap<String, Instant>>,
    grace: Duration,
}

impl Archives {
    pub(super) fn open(dir: PathBuf, half: PathBuf) -> Result<Self, BlobError> {
        fs::create_dir_all(&dir).map_err(BlobError::at("make", &dir))?;
        Ok(Self {
            dir,
            half,
            fresh: Mutex::default(),
            grace: GRACE,
        })
    }

    #[cfg(test)]
    pub(super) fn without_grace(&mut self) {
        self.grace = Duration::ZERO;
    }

    /// A file to write an archive to. It vanishes unless it is kept.
    pub(super) fn begin(&self) -> Result<NamedTempFile, BlobError> {
        NamedTempFile::new_in(&self.half).map_err(BlobError::at("write in", &self.half))
    }

    /// Keeps a file under its digest, durably.
    pub(super) fn keep(
        &self,
        file: NamedTempFile,
        sha256: String,
        size: u64,
    ) -> Result<Blob, BlobError> {
        // Before the look at what is there: `retain` must not remove it in between.
        self.fresh
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(sha256.clone(), Instant::now());
        let path = self.dir.join(&sha256);
        if fs::metadata(&path).is_ok_and(|there| there.len() == size) {
            return Ok(Blob { sha256, size });
        }
        file.as_file()
            .sync_all()
            .map_err(BlobError::at("write", &path))?;
        file.persist(&path)
            .map_err(|error| BlobError::at("write", &path)(error.error))?;
        File::open(&self.dir)
            .and_then(|dir| dir.sync_all())
            .map_err(BlobError::at("write", &self.dir))?;
        Ok(Blob { sha256, size })
    }

    /// Where an archive lies.
    pub(super) fn path(&self, sha256: &str) -> Result<PathBuf, BlobError> {
        let path = self.dir.join(sha256);
        if !hash::is_hex(sha256, 32) || !path.exists() {
            return Err(BlobError::Missing(sha256.to_owned()));
        }
        Ok(path)
    }

    /// An archive, open for reading.
    pub(super) fn open_file(&self, sha256: &str) -> Result<File, BlobError> {
        let path = self.path(sha256)?;
        File::open(&path).map_err(BlobError::at("open", &path))
    }

    /// Removes every archive but those in `keep` and those that were put just now.
    pub(super) fn retain(&self, keep: &BTreeSet<String>) -> Result<(), BlobError> {
        let at = || BlobError::at("clean up", &self.dir);
        for entry in fs::read_dir(&self.dir).map_err(at())? {
            let name = entry.map_err(at())?.file_name();
            let Some(name) = name.to_str().filter(|name| !keep.contains(*name)) else {
                continue;
            };
            let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
            fresh.retain(|_, put| put.elapsed() < self.grace);
            if !fresh.contains_key(name) {
                // Under the lock, so that nobody is told it is kept meanwhile.
                remove(&self.dir.join(name))?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<(), BlobError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BlobError::at("remove", path)(error))
        }
        _ => Ok(()),
    }
}
