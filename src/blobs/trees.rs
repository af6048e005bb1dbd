//! Droplets unpacked, one tree each.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::BlobError;
use crate::{
    model::{AppId, DropletId},
    stdx::removal,
};

/// The folder of trees.
#[derive(Debug)]
pub(super) struct Trees {
    dir: PathBuf,
    half: PathBuf,
}

impl Trees {
    pub(super) fn open(dir: PathBuf, half: PathBuf) -> Result<Self, BlobError> {
        fs::create_dir_all(&dir).map_err(BlobError::at("make", &dir))?;
        Ok(Self { dir, half })
    }

    /// Where the tree of a droplet is, or would be.
    pub(super) fn path(&self, app: AppId, droplet: DropletId) -> PathBuf {
        self.dir.join(app.to_string()).join(droplet.to_string())
    }

    /// An empty folder to make a tree in. It vanishes unless it is kept.
    pub(super) fn begin(&self) -> Result<tempfile::TempDir, BlobError> {
        tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in(&self.half)
            .map_err(BlobError::at("write in", &self.half))
    }

    /// Moves a whole tree to its place, where there may be an older one; false where it is
    /// on another file system.
    pub(super) fn keep(
        &self,
        tree: &Path,
        app: AppId,
        droplet: DropletId,
    ) -> Result<bool, BlobError> {
        let place = self.path(app, droplet);
        remove_tree(&place)?;
        if let Some(parent) = place.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(parent)
                .map_err(BlobError::at("make", parent))?;
        }
        match fs::rename(tree, &place) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => Ok(false),
            Err(error) => Err(BlobError::at("make", &place)(error)),
        }
    }

    /// Removes the trees of `app` but those of `keep`.
    pub(super) fn retain(&self, app: AppId, keep: &[DropletId]) -> Result<(), BlobError> {
        let dir = self.dir.join(app.to_string());
        let entries = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(BlobError::at("clean up", &dir))?,
        };
        let keep: Vec<String> = keep.iter().map(ToString::to_string).collect();
        for entry in entries {
            let entry = entry.map_err(BlobError::at("clean up", &dir))?;
            if !keep.iter().any(|kept| entry.file_name() == kept.as_str()) {
                // First out of the way, so that nobody takes what is half gone for whole.
                let gone = self.begin()?;
                let moved = gone.path().join("tree");
                fs::rename(entry.path(), &moved).map_err(BlobError::at("remove", &dir))?;
                remove_tree(&moved)?;
            }
        }
        if keep.is_empty() {
            // Another tree may just have come.
            drop(fs::remove_dir(&dir));
        }
        Ok(())
    }
}

/// Removes everything in a folder, or nothing where there is none.
pub(super) fn empty(dir: &Path) -> Result<(), BlobError> {
    for entry in fs::read_dir(dir).map_err(BlobError::at("empty", dir))? {
        remove_tree(&entry.map_err(BlobError::at("empty", dir))?.path())?;
    }
    Ok(())
}

/// Removes whatever is at `path`, links not followed.
pub(super) fn remove_tree(path: &Path) -> Result<(), BlobError> {
    removal::remove_tree(path).map_err(BlobError::at("remove", path))
}
