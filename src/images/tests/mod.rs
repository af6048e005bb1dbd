//! Layers that somebody hostile made, and what is kept of good ones.

mod layers;
mod shelf;

use std::{fs, io::Write, path::Path};

use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::{
    ImageError, Limits,
    unpack::{Budget, Owners, Size, unpack},
};
use crate::model::LayerId;

const LIMITS: Limits = Limits {
    download: 1 << 20,
    unpacked: 1 << 20,
    entries: 100,
};

/// An archive in the making, with whatever names.
struct Crafted(Builder<Vec<u8>>);

impl Crafted {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn add(mut self, name: &str, kind: EntryType, mode: u32, target: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        let old = header.as_old_mut();
        // Past what the crate would let through.
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_700_000_000);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.add(name, EntryType::Regular, 0o644, "", content.as_bytes())
    }

    fn folder(self, name: &str) -> Self {
        self.add(name, EntryType::Directory, 0o755, "", b"")
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.add(name, EntryType::Symlink, 0o777, target, b"")
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.add(name, EntryType::Link, 0o644, target, b"")
    }

    fn pax(mut self, records: &[(&str, &str)]) -> Self {
        let records = records.iter().map(|(key, value)| (*key, value.as_bytes()));
        self.0.append_pax_extensions(records).unwrap();
        self
    }

    fn tar(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn id_of(tar: &[u8]) -> LayerId {
    super::digest::hex(Sha256::digest(tar)).parse().unwrap()
}

/// Unpacks `bytes` as the layer `id` into a folder of its own.
fn unpacked(bytes: &[u8], id: &LayerId, into: &Path) -> Result<Size, ImageError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    unpack(file, id, into, Owners::Own, Budget::new(LIMITS))
}

/// Everything below a folder, by path, with what it is.
fn tree(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let there = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(dir).unwrap().display().to_string();
            let kind = there.file_type();
            if kind.is_dir() {
                found.push(format!("{name}/"));
                open.push(path);
            } else if kind.is_symlink() {
                found.push(format!(
                    "{name} -> {}",
                    fs::read_link(&path).unwrap().display()
                ));
            } else if kind.is_file() {
                found.push(format!("{name} {:?}", fs::read_to_string(&path).unwrap()));
            } else {
                found.push(format!("{name} gone"));
            }
        }
    }
    found.sort();
    found
}
