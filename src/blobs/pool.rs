//! Files of earlier packages, by their SHA-1: what the pool has, a push need not send.
//!
//! SHA-1 is Cloud Foundry's choice. Somebody who makes two files with the same one can only
//! mix up files of packages that they know the digests of, which is what the protocol offers
//! to everybody who may push.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{Read, Write},
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use sha1::{Digest, Sha1};
use tempfile::NamedTempFile;

use super::{BlobError, Resource, hash};

/// Smaller files are sent each time: asking costs about as much (Cloud Foundry's minimum).
pub(super) const SMALLEST: u64 = 64 * 1024;
/// Bytes of all files; the ones that were not used for longest go first. Large enough for
/// the dependencies of a class of students, small beside the droplets.
pub(super) const LARGEST: u64 = 1024 * 1024 * 1024;

/// The pool.
#[derive(Debug)]
pub(super) struct Pool {
    dir: PathBuf,
    half: PathBuf,
    capacity: u64,
    files: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    size: u64,
    used: SystemTime,
}

impl Pool {
    pub(super) fn open(dir: PathBuf, half: PathBuf, capacity: u64) -> Result<Self, BlobError> {
        fs::create_dir_all(&dir).map_err(BlobError::at("make", &dir))?;
        let mut files = HashMap::new();
        for entry in fs::read_dir(&dir)
            .map_err(BlobError::at("read", &dir))?
            .flatten()
        {
            let (Ok(name), Ok(there)) = (entry.file_name().into_string(), entry.metadata()) else {
                continue;
            };
            if hash::is_hex(&name, 20) {
                let used = there.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.insert(
                    name,
                    Kept {
                        size: there.len(),
                        used,
                    },
                );
            }
        }
        Ok(Self {
            dir,
            half,
            capacity,
            files: Mutex::new(files),
        })
    }

    /// Whether the file is there.
    pub(super) fn has(&self, resource: &Resource) -> bool {
        self.files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&resource.sha1)
            .is_some_and(|kept| kept.size == resource.size)
    }

    /// A copy for the pool in the making.
    pub(super) fn begin(&self) -> Result<Draft, BlobError> {
        let file =
            NamedTempFile::new_in(&self.half).map_err(BlobError::at("write in", &self.half))?;
        Ok(Draft {
            file,
            hasher: Sha1::new(),
            size: 0,
        })
    }

    /// Takes a copy in, and lets go of others where there is no room.
    pub(super) fn keep(&self, draft: Draft) -> Result<(), BlobError> {
        let Draft { file, hasher, size } = draft;
        if size > self.capacity {
            return Ok(());
        }
        let sha1 = hash::hex(hasher.finalize());
        let path = self.dir.join(&sha1);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        file.persist(&path)
            .map_err(|error| BlobError::at("write", &path)(error.error))?;
        files.insert(
            sha1,
            Kept {
                size,
                used: SystemTime::now(),
            },
        );
        let mut total: u64 = files.values().map(|kept| kept.size).sum();
        while total > self.capacity {
            let oldest = files.iter().min_by_key(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(sha1, _)| sha1.clone()) else {
                break;
            };
            total -= files.remove(&oldest).map_or(0, |kept| kept.size);
            let path = self.dir.join(oldest);
            fs::remove_file(&path).map_err(BlobError::at("remove", &path))?;
        }
        Ok(())
    }

    /// The content of a file; it stays readable even if the pool lets go of it.
    pub(super) fn read(&self, resource: &Resource) -> Result<File, BlobError> {
        let missing = || {
            BlobError::Refused(format!(
                "the file {:?} is no longer kept here: push again, and it will be sent",
                resource.path
            ))
        };
        if !hash::is_hex(&resource.sha1, 20) {
            return Err(missing());
        }
        let path = self.dir.join(&resource.sha1);
        let mut file = File::open(&path).map_err(|_| missing())?;
        let now = SystemTime::now();
        if let Some(kept) = self
            .files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(&resource.sha1)
        {
            kept.used = now;
        }
        // For the order after a restart; it does no harm where it fails.
        drop(file.set_modified(now));
        // The pool is not synced, so a crash of the host may have left anything.
        let mut hasher = Sha1::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = file
                .read(&mut buffer)
                .map_err(BlobError::at("read", &path))?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
        }
        if hash::hex(hasher.finalize()) != resource.sha1 {
            self.files
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&resource.sha1);
            drop(fs::remove_file(&path));
            return Err(missing());
        }
        std::io::Seek::rewind(&mut file).map_err(BlobError::at("read", &path))?;
        Ok(file)
    }
}

/// A copy in the making.
#[derive(Debug)]
pub(super) struct Draft {
    file: NamedTempFile,
    hasher: Sha1,
    size: u64,
}

impl Draft {
    pub(super) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }
}
