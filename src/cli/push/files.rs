//! What of a folder is pushed: all of it but what is ignored, in a fixed order.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use ignore::{WalkBuilder, gitignore::GitignoreBuilder};
use sha1::{Digest as _, Sha1};

use crate::cli::failure::Outcome;

use super::usage;

/// What the stock client leaves out, too.
const DEFAULT_IGNORES: [&str; 9] = [
    ".cfignore",
    "/manifest.yml",
    "/manifest.yaml",
    ".DS_Store",
    ".git",
    ".gitignore",
    ".hg",
    ".svn",
    "_darcs",
];

/// The code of an app.
#[derive(Debug)]
pub(super) enum Files {
    /// A zip (or jar, or war) that is sent as it is.
    Archive(PathBuf),
    /// What is to be zipped, by path.
    Tree(Vec<Entry>),
}

/// One thing in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Path in the package, with `/`.
    pub(super) path: String,
    /// Unix permission bits.
    pub(super) mode: u32,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File { source: PathBuf, size: u64 },
    Link { target: String },
}

/// The first bytes of every zip that holds something.
const ZIP: &[u8] = b"PK\x03\x04";

/// The files behind `source`: a folder, an archive, or a single program.
pub(super) fn collect(source: &Path) -> Outcome<Files> {
    let shown = source.display();
    let meta = match fs::metadata(source) {
        Ok(meta) => meta,
        Err(error) => return usage(format!("cannot read {shown}: {error}")),
    };
    if meta.is_dir() {
        let entries = tree(source)?;
        if !entries
            .iter()
            .any(|entry| !matches!(entry.kind, Kind::Folder))
        {
            return usage(format!(
                "there is nothing to push in {shown}; push from the app's folder, or name it with \
                 -p FOLDER"
            ));
        }
        return Ok(Files::Tree(entries));
    }
    let mut head = Vec::new();
    let read =
        File::open(source).and_then(|file| file.take(ZIP.len() as u64).read_to_end(&mut head));
    read.with_context(|| format!("cannot read {shown}"))?;
    if head == ZIP {
        return Ok(Files::Archive(source.to_owned()));
    }
    let name = source.file_name().unwrap_or_default();
    Ok(Files::Tree(vec![Entry {
        path: text(Path::new(name))?,
        mode: meta.permissions().mode() & 0o7777,
        kind: Kind::File {
            source: source.to_owned(),
            size: meta.len(),
        },
    }]))
}

fn tree(root: &Path) -> Outcome<Vec<Entry>> {
    let mut ignores = GitignoreBuilder::new(root);
    for pattern in DEFAULT_IGNORES {
        ignores
            .add_line(None, pattern)
            .context("a pattern of our own is wrong")?;
    }
    let own = root.join(".cfignore");
    if own.is_file()
        && let Some(error) = ignores.add(&own)
    {
        return usage(format!("{} is not right: {error}", own.display()));
    }
    let ignores = ignores.build().context("cannot read .cfignore")?;
    let walk = WalkBuilder::new(root)
        .standard_filters(false)
        .follow_links(false)
        .filter_entry(move |entry| {
            let folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            !ignores.matched(entry.path(), folder).is_ignore()
        })
        .build();
    let mut entries = Vec::new();
    for found in walk {
        let found = found.context("cannot read the folder")?;
        let Ok(relative) = found.path().strip_prefix(root) else {
            continue;
        };
        if relative.as_os_str().is_empty() {
            continue;
        }
        if let Some(entry) = entry(found.path(), relative)? {
            entries.push(entry);
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// A file, folder or link; sockets and devices are no part of an app.
fn entry(source: &Path, relative: &Path) -> Outcome<Option<Entry>> {
    let failed = || format!("cannot read {}", source.display());
    let meta = fs::symlink_metadata(source).with_context(failed)?;
    let kind = if meta.is_dir() {
        Kind::Folder
    } else if meta.is_symlink() {
        let target = fs::read_link(source).with_context(failed)?;
        Kind::Link {
            target: text(&target)?,
        }
    } else if meta.is_file() {
        Kind::File {
            source: source.to_owned(),
            size: meta.len(),
        }
    } else {
        return Ok(None);
    };
    Ok(Some(Entry {
        path: text(relative)?,
        mode: meta.permissions().mode() & 0o7777,
        kind,
    }))
}

fn text(path: &Path) -> Outcome<String> {
    match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => usage(format!("{path:?} cannot be pushed: its name is not UTF-8")),
    }
}

/// The SHA-1 of a file in hexadecimal, by which the platform knows what it has already.
pub(super) fn sha1(source: &Path) -> io::Result<String> {
    let mut file = File::open(source)?;
    let mut hash = Sha1::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_ignored_stays_and_the_rest_is_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        for path in [
            "b.py",
            "a/z.txt",
            "a/manifest.yml",
            "manifest.yml",
            ".git/config",
            ".gitignore",
            "logs/x.log",
            "keep.log",
            ".env",
            "node_modules/m/index.js",
        ] {
            put(path);
        }
        fs::write(
            dir.path().join(".cfignore"),
            "*.log\n!keep.log\n/node_modules\n",
        )
        .unwrap();
        symlink("b.py", dir.path().join("link")).unwrap();
        let Files::Tree(entries) = collect(dir.path()).unwrap() else {
            panic!("not a tree")
        };
        let paths: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                ".env",
                "a",
                "a/manifest.yml",
                "a/z.txt",
                "b.py",
                "keep.log",
                "link",
                "logs"
            ]
        );
        let link = Kind::Link {
            target: "b.py".to_owned(),
        };
        assert_eq!(entries[6].kind, link);
    }

    #[test]
    fn an_empty_folder_and_a_missing_one_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("empty")).unwrap();
        assert!(
            collect(dir.path())
                .unwrap_err()
                .to_string()
                .contains("nothing to push")
        );
        assert!(
            collect(&dir.path().join("no"))
                .unwrap_err()
                .to_string()
                .contains("cannot read")
        );
    }

    #[test]
    fn files_are_known_by_their_sha1() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "abc").unwrap();
        assert_eq!(
            sha1(&path).unwrap(),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
    }
}
