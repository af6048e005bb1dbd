//! Archives of friends and foes.

mod crafted;
mod droplets;
mod hostile;
mod packages;

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use super::{Blob, Blobs, Limits};

const LIMITS: Limits = Limits {
    upload: 8 << 20,
    unpacked: 4 << 20,
    entries: 12_000,
};

/// Blobs in a folder of their own.
struct Place {
    dir: tempfile::TempDir,
    blobs: Blobs,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::strict(&dir.path().join("blobs"), LIMITS, 256 * 1024);
        Self { dir, blobs }
    }

    fn folder(&self, name: &str) -> std::path::PathBuf {
        let folder = self.dir.path().join(name);
        fs::create_dir(&folder).unwrap();
        folder
    }

    async fn put(&self, bytes: &[u8]) -> Blob {
        self.blobs.put(bytes).await.unwrap()
    }

    /// Nothing half done is left.
    fn assert_tidy(&self) {
        let half = listing(&self.dir.path().join("blobs/half"));
        assert!(half.is_empty(), "{half:?}");
    }
}

/// What is in a folder: by path, the mode and the content or link.
fn listing(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let there = fs::symlink_metadata(&path).unwrap();
            let mode = there.permissions().mode() & 0o777;
            let look = if there.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if there.is_dir() {
                open.push(path.clone());
                format!("{mode:o}")
            } else if !there.is_file() {
                "special".to_owned()
            } else {
                format!(
                    "{mode:o} {}",
                    String::from_utf8_lossy(&fs::read(&path).unwrap())
                )
            };
            found.insert(path.strip_prefix(dir).unwrap().display().to_string(), look);
        }
    }
    found
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, look)| ((*name).to_owned(), (*look).to_owned()))
        .collect()
}
