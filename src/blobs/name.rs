//! Names in archives, and where links lead.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use super::BlobError;

/// Longest name of a file (`NAME_MAX`) and longest path in an archive. The latter leaves room
/// for the folders around it below the kernel's `PATH_MAX` of 4,096.
const MAX_NAME: usize = 255;
const MAX_PATH: usize = 3_000;
/// After so many links the kernel gives up as well.
const MAX_HOPS: u32 = 40;

/// Which archive a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A package: the user's files, in a zip.
    Package,
    /// A droplet: what a build made of them, in a tar.
    Droplet,
}

impl Origin {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Droplet => "droplet",
        }
    }

    /// A refusal of one entry.
    pub(super) fn refuse(self, name: &OsStr, why: &str) -> BlobError {
        let shown: String = name.to_string_lossy().chars().take(200).collect();
        BlobError::Refused(format!("the {} entry {shown:?} {why}", self.as_str()))
    }
}

/// The path of an entry relative to the app's folder; none for the folder itself.
///
/// Names that differ only in case are different names: the file systems that apps run on
/// tell them apart.
pub(super) fn entry_path(name: &OsStr, origin: Origin) -> Result<Option<PathBuf>, BlobError> {
    let bytes = name.as_bytes();
    let refuse = |why| Err(origin.refuse(name, why));
    if bytes.contains(&0) {
        return refuse("has a NUL character in its name");
    }
    if bytes.starts_with(b"/") {
        return refuse("leaves the app's folder: names must not start with \"/\"");
    }
    if origin == Origin::Package && bytes.contains(&b'\\') {
        return refuse("has a backslash in its name: archives separate folders with \"/\"");
    }
    if bytes.len() > MAX_PATH {
        return refuse("has too long a name");
    }
    let mut path = PathBuf::new();
    for part in bytes.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                return refuse("leaves the app's folder: names must not contain \"..\"");
            }
            part if part.len() > MAX_NAME => return refuse("has too long a name"),
            part => path.push(OsStr::from_bytes(part)),
        }
    }
    Ok((!path.as_os_str().is_empty()).then_some(path))
}

/// The first link that leads out of the folder, if one does.
///
/// Looking at each link's own text is not enough: it may go through another link and climb
/// from where that one leads. So each is followed, as the kernel would, over the links that
/// the archive brings; names that are no links are taken for folders.
pub(super) fn first_escape(links: &BTreeMap<PathBuf, PathBuf>) -> Option<&Path> {
    links
        .iter()
        .find(|(link, target)| {
            let mut place = link.parent().unwrap_or(Path::new("")).to_owned();
            let mut hops = 0;
            !stays_inside(links, &mut place, target, &mut hops)
        })
        .map(|(link, _)| link.as_path())
}

/// Follows `target` from the folder `place`, and leaves in `place` where it leads.
fn stays_inside(
    links: &BTreeMap<PathBuf, PathBuf>,
    place: &mut PathBuf,
    target: &Path,
    hops: &mut u32,
) -> bool {
    for component in target.components() {
        match component {
            Component::Prefix(_) | Component::RootDir => return false,
            Component::CurDir => {}
            Component::ParentDir => {
                if !place.pop() {
                    return false;
                }
            }
            Component::Normal(name) => {
                place.push(name);
                if let Some(next) = links.get(place.as_path()) {
                    *hops += 1;
                    if *hops > MAX_HOPS {
                        // A circle, or as good as one: the kernel does not follow it.
                        return true;
                    }
                    place.pop();
                    if !stays_inside(links, place, next, hops) {
                        return false;
                    }
                }
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_or_are_refused() {
        let check = |name: &str, expected: Option<&str>| {
            let path = entry_path(OsStr::new(name), Origin::Package);
            assert_eq!(
                path.ok().flatten().as_deref(),
                expected.map(Path::new),
                "{name}"
            );
        };
        check("a/b.txt", Some("a/b.txt"));
        check("./a//b/", Some("a/b"));
        check("한글/파일.py", Some("한글/파일.py"));
        check("..a/b..", Some("..a/b.."));
        check("../a", None);
        check("a/../b", None);
        check("a/..", None);
        check("/etc/passwd", None);
        check("a\\b", None);
        check("..\\a", None);
        check("a\0b", None);
        check("./", None);
        check(&"a".repeat(256), None);
        check(&"a/".repeat(2000), None);
    }

    #[test]
    fn links_are_followed_through_links() {
        let check = |links: &[(&str, &str)], expected: Option<&str>| {
            let links = links
                .iter()
                .map(|(link, target)| (link.into(), target.into()))
                .collect();
            assert_eq!(first_escape(&links), expected.map(Path::new), "{links:?}");
        };
        check(&[("a", "b")], None);
        check(&[("a/b", "../c")], None);
        check(&[("a/b/c", "../../d/./e")], None);
        check(&[("a", "/etc/passwd")], Some("a"));
        check(&[("a", "..")], Some("a"));
        check(&[("a/b", "../../c")], Some("a/b"));
        check(&[("a", "b/../../c")], Some("a"));
        // By its text "up/../.." goes from depth 4 to depth 3; really it goes from the
        // folder itself to two above it.
        check(
            &[("x/y/z/up", "../../.."), ("x/y/z/out", "up/../..")],
            Some("x/y/z/out"),
        );
        check(&[("a", "b"), ("b", "a")], None);
        check(&[("a", "a/a")], None);
    }
}
