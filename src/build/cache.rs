//! What is kept for the next build of an app.
//!
//! As a disk it is a file that one build at a time has: it takes it into its own folder, and
//! puts it back when it has ended. What a daemon or a machine that went down had not put back,
//! or not yet written, is gone: a cache can be had again.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tokio::task::spawn_blocking;

use super::{disk::Disk, environment::CACHES, folder, log::StagingLog};
use crate::{
    model::{AppId, Megabytes},
    sandbox::{Disks, Volume},
    stdx::removal::remove_tree,
};

/// The folder of the caches, beside those of builds.
pub(super) const FOLDER: &str = "caches";

/// What an app's caches may hold: a large `node_modules`, or a local Maven repository, some
/// times over.
const SIZE: Megabytes = Megabytes(4096);

/// Made by its file system, and nothing that a build should see.
const FOUND: &str = "lost+found";

/// The caches of all apps.
#[derive(Debug, Clone)]
pub(super) struct Caches {
    dir: PathBuf,
    disks: Disks,
}

/// The cache of an app while a build has it.
#[derive(Debug)]
pub(super) struct Cache {
    disk: Disk,
    /// Where it is kept.
    place: Place,
    /// Where its image is meanwhile.
    taken: PathBuf,
}

/// Where the cache of an app is kept.
#[derive(Debug)]
struct Place {
    /// Where it is no disk.
    folder: PathBuf,
    /// The image.
    image: PathBuf,
    /// The image, while it may not be on the host's disk yet.
    fresh: PathBuf,
}

impl Caches {
    /// The caches in `dir`. Removes what a machine that went down may have left in pieces.
    pub(super) fn new(dir: PathBuf, disks: Disks) -> Self {
        let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if path.extension() == Some(OsStr::new("fresh")) {
                // Put in its place again by the next build.
                let _ = fs::remove_file(path);
            }
        }
        Self { dir, disks }
    }

    fn place(&self, app: AppId) -> Place {
        let file = |extension: &str| self.dir.join(format!("{app}.{extension}"));
        Place {
            folder: self.dir.join(app.to_string()),
            image: file("img"),
            fresh: file("fresh"),
        }
    }

    /// Takes the cache of `app`, or an empty one, for a build in `build`. Blocks on the disk.
    pub(super) fn take(&self, app: AppId, build: &Path) -> io::Result<Cache> {
        folder::create_private(&self.dir)?;
        let place = self.place(app);
        let taken = build.join("cache.img");
        let moved = fs::rename(&place.fresh, &taken).or_else(|_| fs::rename(&place.image, &taken));
        let kept = moved
            .ok()
            .and_then(|()| Disk::open(&self.disks, &taken, SIZE));
        let disk = match kept {
            Some(disk) => disk,
            None => {
                remove_tree(&taken)?;
                Disk::create(&self.disks, &taken, SIZE)?
            }
        };
        match disk.root() {
            Some(root) => {
                // What there was before the host could have disks.
                remove_tree(&place.folder)?;
                remove_tree(&root.join(FOUND))?;
            }
            None => folder::create_caches(&place.folder)?,
        }
        Ok(Cache { disk, place, taken })
    }

    /// Removes the cache of `app`. Blocks on the disk.
    pub(super) fn remove(&self, app: AppId) -> io::Result<()> {
        let place = self.place(app);
        [&place.folder, &place.image, &place.fresh]
            .into_iter()
            .try_for_each(|path| remove_tree(path))
    }
}

impl Cache {
    /// What the sandbox is told.
    pub(super) fn volume(&self) -> Volume {
        Volume {
            target: PathBuf::from(CACHES),
            source: self.place.folder.clone(),
            disk: self.disk.spec().clone(),
        }
    }

    /// How much it may hold, where it holds that.
    pub(super) fn full(&self) -> Option<Megabytes> {
        self.disk.is_full().then(|| self.disk.size())
    }

    /// Puts it back for the next build, unless it is full: what cannot be written to helps
    /// nobody. The sandbox has ended.
    pub(super) async fn put_back(self, log: StagingLog) {
        let put = spawn_blocking(move || self.put_back_now(&log));
        match put.await {
            // It will take a while, and the build need not wait for it.
            Ok(Ok(Some(place))) => drop(spawn_blocking(move || settle(&place))),
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => tracing::warn!(%error, "cannot keep a build cache"),
        }
    }

    fn put_back_now(self, log: &StagingLog) -> io::Result<Option<Place>> {
        let Self { disk, place, taken } = self;
        let image = disk.root().is_some();
        let full = disk.is_full() || (!image && folder::size(&place.folder) > SIZE.bytes());
        if full {
            log.say("       The app's build cache is full and is thrown away");
        }
        match (image, full) {
            (true, true) => fs::remove_file(taken).map(|()| None),
            (true, false) => {
                disk.keep();
                fs::rename(taken, &place.fresh).map(|()| Some(place))
            }
            (false, true) => remove_tree(&place.folder).map(|()| None),
            (false, false) => Ok(None),
        }
    }
}

/// Has the image on the host's disk, and then says that it is.
fn settle(place: &Place) {
    let settled = File::open(&place.fresh)
        .and_then(|image| image.sync_all())
        // A build that took it meanwhile puts it back itself.
        .and_then(|()| fs::rename(&place.fresh, &place.image));
    match settled {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "cannot keep a build cache");
        }
        _ => {}
    }
}
