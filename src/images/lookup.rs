//! Finding a file in the layers of an image without putting them on top of each other.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, fgetxattr, open, openat2, statat};

use super::ImageError;

/// Longest file that is read; the users of an image fill some kilobytes.
const MOST: u64 = 1024 * 1024;

const INSIDE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

/// The text of the file at `path` as the uppermost of `layers` (the lowest first) has it; none
/// where there is none, or where it can be reached by a symbolic link only.
pub(super) fn text(layers: &[impl AsRef<Path>], path: &Path) -> Result<Option<String>, ImageError> {
    for layer in layers.iter().rev() {
        let failed = |errno: rustix::io::Errno| {
            ImageError::at("look into the layer", layer.as_ref())(errno.into())
        };
        match in_layer(layer.as_ref(), path).map_err(failed)? {
            Seen::Text(text) => return Ok(Some(text)),
            Seen::Hidden => return Ok(None),
            Seen::Nothing => {}
        }
    }
    Ok(None)
}

enum Seen {
    Text(String),
    /// It is not to be seen, even where a lower layer has it.
    Hidden,
    Nothing,
}

fn in_layer(layer: &Path, path: &Path) -> rustix::io::Result<Seen> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = open(layer, flags, Mode::empty())?;
    let mut hides = false;
    let mut place = PathBuf::new();
    for part in path {
        place.push(part);
        let kind = match statat(&root, &place, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => FileType::from_raw_mode(found.st_mode),
            Err(rustix::io::Errno::NOENT) if hides => return Ok(Seen::Hidden),
            Err(rustix::io::Errno::NOENT) => return Ok(Seen::Nothing),
            Err(errno) => return Err(errno),
        };
        let last = place == path;
        match kind {
            FileType::Directory if !last => {
                let folder = openat2(&root, &place, flags, Mode::empty(), INSIDE)?;
                let mut value = [0; 8];
                hides |= fgetxattr(&folder, "user.overlay.opaque", &mut value).is_ok();
            }
            FileType::RegularFile if last => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                let file = File::from(openat2(&root, &place, flags, Mode::empty(), INSIDE)?);
                let mut text = Vec::new();
                let read = file.take(MOST).read_to_end(&mut text);
                read.map_err(|error| {
                    rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO)
                })?;
                return Ok(Seen::Text(String::from_utf8_lossy(&text).into_owned()));
            }
            // A whiteout, a link, something that is no folder.
            _ => return Ok(Seen::Hidden),
        }
    }
    Ok(Seen::Nothing)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, XattrFlags, lsetxattr, mknodat};

    use super::*;

    #[test]
    fn the_uppermost_layer_counts_and_whiteouts_hide() {
        let dir = tempfile::tempdir().unwrap();
        let layer = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.join("etc")).unwrap();
            path
        };
        let check = |layers: &[PathBuf], expected: Option<&str>| {
            let found = text(layers, Path::new("etc/passwd")).unwrap();
            assert_eq!(found.as_deref(), expected);
        };
        let low = layer("low");
        fs::write(low.join("etc/passwd"), "low").unwrap();
        let empty = layer("empty");
        check(&[low.clone(), empty.clone()], Some("low"));
        let high = layer("high");
        fs::write(high.join("etc/passwd"), "high").unwrap();
        check(&[low.clone(), high, empty], Some("high"));
        let gone = layer("gone");
        let kind = FileType::CharacterDevice;
        mknodat(CWD, gone.join("etc/passwd"), kind, Mode::empty(), 0).unwrap();
        check(&[low.clone(), gone], None);
        let opaque = layer("opaque");
        lsetxattr(
            opaque.join("etc"),
            "user.overlay.opaque",
            b"y",
            XattrFlags::empty(),
        )
        .unwrap();
        check(&[low.clone(), opaque], None);
        let link = layer("link");
        std::os::unix::fs::symlink("/etc/passwd", link.join("etc/passwd")).unwrap();
        check(&[low, link], None);
    }
}
