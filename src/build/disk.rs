//! What a build, and what it keeps, is written to: a disk of its own, where the host can have
//! one, which is mounted here, too, but nowhere that a path leads to.

use std::{
    io,
    path::{Path, PathBuf},
};

use tokio::{runtime::Handle, task::spawn_blocking};

use crate::{
    model::Megabytes,
    sandbox::{self, BUILT, Disks, Mounted},
};

/// A disk that is gone with its last owner, with all that is on it, unless it is
/// [kept](Disk::keep).
#[derive(Debug)]
pub(super) struct Disk {
    /// As the sandbox is told.
    spec: sandbox::Disk,
    mounted: Option<Mounted>,
}

impl Disk {
    /// Makes one, in a new file at `file` where it gets an image. Blocks on the disk, as
    /// everything here.
    pub(super) fn create(disks: &Disks, file: &Path, size: Megabytes) -> io::Result<Self> {
        Self::mount(disks.create(file, size.bytes())?)
    }

    /// One that was kept, where `file` is still as it was left.
    pub(super) fn open(disks: &Disks, file: &Path, size: Megabytes) -> Option<Self> {
        Self::mount(disks.reuse(file, size.bytes())?).ok()
    }

    fn mount(mut spec: sandbox::Disk) -> io::Result<Self> {
        let mounted = match &mut spec.image {
            Some(image) => {
                let mounted = Mounted::attach(&image.file)?;
                image.device = Some(mounted.device().to_owned());
                Some(mounted)
            }
            None => None,
        };
        Ok(Self { spec, mounted })
    }

    /// What the sandbox is told.
    pub(super) const fn spec(&self) -> &sandbox::Disk {
        &self.spec
    }

    /// Its root, for this process alone; none where it is a folder of the host's.
    pub(super) fn root(&self) -> Option<PathBuf> {
        self.mounted.as_ref().map(Mounted::path)
    }

    /// The folder that is seen as a home; none where it is one of the host's.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.root().map(|root| root.join(BUILT))
    }

    /// How much it may hold.
    pub(super) fn size(&self) -> Megabytes {
        self.spec.quota.megabytes()
    }

    /// Whether nothing more can be written to it.
    pub(super) fn is_full(&self) -> bool {
        let mounted = self.mounted.as_ref();
        mounted.is_some_and(|mounted| mounted.space().is_ok_and(|space| space.is_full()))
    }

    /// Writes what is on it to its file, which is as large as need be then. The sandbox has ended.
    pub(super) fn keep(mut self) {
        if let Some(mounted) = self.mounted.take() {
            // Without, the file only is larger than it has to be.
            let _ = mounted.trim();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let Some(mounted) = self.mounted.take() else {
            return;
        };
        mounted.abandon();
        // The last of a disk waits for the kernel.
        match Handle::try_current() {
            Ok(_) => drop(spawn_blocking(move || drop(mounted))),
            Err(_) => drop(mounted),
        }
    }
}
