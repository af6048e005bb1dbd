//! Names of entries, and what is refused by them alone.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use crate::images::{ImageError, error::quoted};

/// Longest name of a file (`NAME_MAX`) and longest path, which leaves room for the folders
/// around it below the kernel's `PATH_MAX` of 4,096.
pub(super) const MAX_NAME: usize = 255;
const MAX_PATH: usize = 3_000;
/// Folders one in another: each is opened on the way to what is in it. The deepest trees that
/// tools make have some 40.
const MAX_DEPTH: usize = 128;

/// A refusal of one entry.
pub(super) fn refuse(name: &OsStr, why: impl Into<String>) -> ImageError {
    let what = format!("the entry {:?} of a layer", quoted(&name.to_string_lossy()));
    ImageError::refused(what, why)
}

/// The folders and the name of an entry; none for the root itself.
pub(super) fn path_of(name: &OsStr) -> Result<Option<(PathBuf, OsString)>, ImageError> {
    let bytes = name.as_bytes();
    if bytes.contains(&0) {
        return Err(refuse(name, "has a NUL character in its name"));
    }
    if bytes.len() > MAX_PATH {
        return Err(refuse(name, "has too long a name"));
    }
    let mut path = PathBuf::new();
    for part in bytes.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(refuse(name, "climbs out of the image with \"..\"")),
            part if part.len() > MAX_NAME => return Err(refuse(name, "has too long a name")),
            part => path.push(OsStr::from_bytes(part)),
        }
    }
    if path.components().count() > MAX_DEPTH {
        return Err(refuse(
            name,
            format!("is more than {MAX_DEPTH} folders deep"),
        ));
    }
    let Some(last) = path.file_name().map(OsStr::to_owned) else {
        return Ok(None);
    };
    path.pop();
    Ok(Some((path, last)))
}
