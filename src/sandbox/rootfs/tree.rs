//! Whole trees of files: copied, handed over, removed. Symbolic links are never followed.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink},
    path::Path,
};

/// Copies what is in `from` into `to`, which exists. Files, folders and symbolic links, with
/// their modes; with `owner`, they belong to that user and group.
pub(super) fn copy(from: &Path, to: &Path, owner: Option<u32>) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_dir() {
            match fs::create_dir(&target) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            copy(&source, &target, owner)?;
            fs::set_permissions(&target, entry.metadata()?.permissions())?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
        } else {
            continue;
        }
        if owner.is_some() {
            lchown(&target, owner, owner)?;
        }
    }
    Ok(())
}

/// Gives `path` and all in it to `owner`, unless it is so already.
pub(in crate::sandbox) fn own(path: &Path, owner: u32) -> io::Result<()> {
    let found = path.symlink_metadata()?;
    if found.uid() == owner && found.gid() == owner {
        return Ok(());
    }
    own_all(path, &found, owner)
}

fn own_all(path: &Path, found: &fs::Metadata, owner: u32) -> io::Result<()> {
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            own_all(&entry.path(), &entry.metadata()?, owner)?;
        }
    }
    // Folders last: one that is done has everything in it done.
    lchown(path, Some(owner), Some(owner))
}

/// Removes `path` and all in it, also where the modes are in the way of an ordinary user.
/// That it is not there is no error.
pub(in crate::sandbox) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        other => other,
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn open_up(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}
