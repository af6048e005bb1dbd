//! The files of an app's folder, never reaching out of it.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use cap_std::{ambient_authority, fs::Dir};

use crate::runtimes::Listing;

/// How deep folders are looked into. What decides about an app lies near the top.
const DEPTH: usize = 4;

/// Most files that are listed; those beyond do not count.
const MOST: usize = 50_000;

/// Largest file that is read to decide.
const LARGEST: u64 = 1024 * 1024;

/// The files of a folder as they were when it was made; texts are read when they are asked for.
pub(super) struct Folder {
    dir: Dir,
    paths: Vec<String>,
}

impl Folder {
    /// Lists `path`. Blocks on the disk.
    pub(super) fn list(path: &Path) -> io::Result<Self> {
        // A build may have put a link in the place of the app's folder. It has ended, so what is
        // seen now stays.
        if !fs::symlink_metadata(path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        let mut paths = Vec::new();
        list(&dir, "", 1, &mut paths)?;
        paths.sort();
        Ok(Self { dir, paths })
    }
}

fn list(dir: &Dir, prefix: &str, depth: usize, paths: &mut Vec<String>) -> io::Result<()> {
    for entry in dir.entries()? {
        let entry = entry?;
        // A name that is not UTF-8 decides nothing.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = format!("{prefix}{name}");
        // Links to folders are not followed, so there is no going in circles.
        if !entry.file_type()?.is_dir() {
            if paths.len() == MOST {
                return Ok(());
            }
            paths.push(path);
        } else if depth < DEPTH && name != ".git" {
            list(&entry.open_dir()?, &format!("{path}/"), depth + 1, paths)?;
        }
    }
    Ok(())
}

impl Listing for Folder {
    fn paths(&self) -> &[String] {
        &self.paths
    }

    fn text(&self, path: &str) -> Option<String> {
        // Only of a file: opening a pipe would wait for its writer.
        let found = self.dir.metadata(path).ok()?;
        if !found.is_file() || found.len() > LARGEST {
            return None;
        }
        let mut text = String::new();
        let file = self.dir.open(path).ok()?;
        file.take(LARGEST).read_to_string(&mut text).ok()?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn lists_what_is_near_and_reads_nothing_outside() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        let app = tempfile::tempdir().unwrap();
        let at = |path: &str| app.path().join(path);
        fs::create_dir_all(at("a/b/c/d/e")).unwrap();
        for path in ["a/b/c/near", "a/b/c/d/far", "top"] {
            fs::write(at(path), path).unwrap();
        }
        symlink(outside.path().join("secret"), at("link")).unwrap();
        symlink("top", at("inner")).unwrap();
        symlink(".", at("circle")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(at("pipe"))
            .status();
        assert!(made.unwrap().success());

        let folder = Folder::list(app.path()).unwrap();
        assert_eq!(
            folder.paths(),
            ["a/b/c/near", "circle", "inner", "link", "pipe", "top"]
        );
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(folder.text(path).as_deref(), expected, "{path}");
        };
        check("top", Some("top"));
        check("inner", Some("top"));
        check("link", None);
        check("pipe", None);
        check("circle", None);
        check("../x", None);
        check("missing", None);

        let link = outside.path().join("app");
        symlink(app.path(), &link).unwrap();
        assert!(Folder::list(&link).is_err());
    }
}
