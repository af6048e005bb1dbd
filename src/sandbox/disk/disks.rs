//! Disks for sandboxes, as this host can make them.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use nix::sys::statvfs::statvfs;

use super::{BOUND, Mounted, format, format::Template};
use crate::sandbox::{Disk, Finding, Image, Quota};

/// Templates that are kept: as many sizes as the apps of one machine may well have. Each takes
/// some tens of kilobytes.
const TEMPLATES: usize = 64;

/// Larger than any quota: ext4 with block numbers of 32 bits ends at 16 TiB.
const MOST: u64 = 15 << 40;

/// Makes disks; clones share what they know.
#[derive(Debug, Clone)]
pub struct Disks {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// What makes images; why there are none.
    program: Result<PathBuf, String>,
    most: u64,
    templates: Mutex<BTreeMap<Quota, Arc<Template>>>,
}

impl Disks {
    /// Disks on the file system of `dir`. Tries whether this host lets us have images, by
    /// making one of `usual` bytes in `dir`. Blocks for some milliseconds.
    #[must_use]
    pub fn open(dir: &Path, usual: u64) -> Self {
        let most = statvfs(dir).map_or(MOST, |told| {
            let bytes = told.blocks().saturating_mul(told.fragment_size());
            bytes.min(MOST)
        });
        if !nix::unistd::geteuid().is_root() {
            return Self::of_folders("only root can mount file systems");
        }
        let tried = format::program().and_then(|program| {
            let disks = Self::new(Ok(program), most);
            disks.try_one(dir, usual).map(|()| disks)
        });
        tried.unwrap_or_else(|error| Self::of_folders(&error.to_string()))
    }

    /// Disks that are folders, since there cannot be images: `reason` says why.
    #[must_use]
    pub fn of_folders(reason: &str) -> Self {
        Self::new(Err(reason.to_owned()), MOST)
    }

    fn new(program: Result<PathBuf, String>, most: u64) -> Self {
        Self {
            inner: Arc::new(Inner {
                program,
                most,
                templates: Mutex::default(),
            }),
        }
    }

    fn try_one(&self, dir: &Path, bytes: u64) -> io::Result<()> {
        let dir = tempfile::Builder::new()
            .prefix("disk-trial-")
            .tempdir_in(dir)?;
        let file = dir.path().join("disk.img");
        self.create(&file, bytes)?;
        Mounted::attach(&file)?.abandon();
        dir.close()
    }

    /// Whether each sandbox has a file system of its own.
    #[must_use]
    pub fn are_own(&self) -> bool {
        self.inner.program.is_ok()
    }

    /// Whether the kernel enforces disk quotas here.
    #[must_use]
    pub fn finding(&self) -> Finding {
        const WHAT: &str = "disk quotas";
        let Err(reason) = &self.inner.program else {
            let how = "each sandbox writes to a file system of its own, of its quota's size";
            return Finding::enforced(WHAT, how);
        };
        let remedy = if nix::unistd::geteuid().is_root() {
            "install e2fsprogs, and give the platform loop devices and ext4 (modprobe loop ext4)"
        } else {
            "run the platform as root where apps must not fill the disk"
        };
        let reason = format!("{reason}, so they hold in part: {BOUND}");
        Finding::weaker(WHAT, reason).mended_by(remedy)
    }

    /// Makes a disk of `bytes`, in a new file at `file` where it gets an image. Blocks on the
    /// disk for far less than a millisecond, but for the first of a size.
    ///
    /// # Errors
    /// Where the file could not be made.
    pub fn create(&self, file: &Path, bytes: u64) -> io::Result<Disk> {
        let quota = Quota::of(bytes, self.inner.most);
        let Ok(program) = &self.inner.program else {
            return Ok(Disk { quota, image: None });
        };
        let new = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)?;
        match self.template(quota) {
            Some(template) => template.plant(&new, quota)?,
            None => self.keep(quota, Template::make(program, file, quota)?),
        }
        Ok(Disk {
            quota,
            image: Some(Image {
                file: file.to_owned(),
                device: None,
            }),
        })
    }

    /// The disk of `bytes` that was made in `file` before, and has been kept since. None where
    /// it is of another size, or was not unmounted in order.
    #[must_use]
    pub fn reuse(&self, file: &Path, bytes: u64) -> Option<Disk> {
        let quota = Quota::of(bytes, self.inner.most);
        let image = File::open(file).ok()?;
        let same = image
            .metadata()
            .is_ok_and(|found| found.len() == quota.bytes);
        let whole = same && format::is_clean(&image).unwrap_or(false);
        (whole && self.inner.program.is_ok()).then(|| Disk {
            quota,
            image: Some(Image {
                file: file.to_owned(),
                device: None,
            }),
        })
    }

    fn template(&self, quota: Quota) -> Option<Arc<Template>> {
        let templates = self.inner.templates.lock();
        let templates = templates.unwrap_or_else(PoisonError::into_inner);
        templates.get(&quota).cloned()
    }

    fn keep(&self, quota: Quota, template: Template) {
        let templates = self.inner.templates.lock();
        let mut templates = templates.unwrap_or_else(PoisonError::into_inner);
        // Whoever has apps of ever other sizes made pays for it, in time.
        if templates.len() >= TEMPLATES {
            templates.clear();
        }
        templates.insert(quota, Arc::new(template));
    }
}
