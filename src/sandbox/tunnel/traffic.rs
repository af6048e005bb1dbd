//! Bytes and connections of a sandbox's way out, counted in a small file of the instance's folder:
//! whoever wants to know reads it, and asks nobody.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use crate::sandbox::Traffic;

const FILE: &str = "traffic";
const SIZE: usize = 24;

/// The file in `dir`, made where it is not there.
pub(super) fn open(dir: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(dir.join(FILE))
}

/// What was counted in `dir`; nothing where nothing went out.
pub(in crate::sandbox) fn read(dir: &Path) -> Traffic {
    File::open(dir.join(FILE))
        .map(|file| load(&file))
        .unwrap_or_default()
}

/// What an open file holds.
pub(super) fn load(file: &File) -> Traffic {
    let mut bytes = [0; SIZE];
    if file.read_exact_at(&mut bytes, 0).is_err() {
        return Traffic::default();
    }
    let number = |at: usize| {
        let part = bytes[at..at + 8].iter().rev();
        part.fold(0, |n, byte| n << 8 | u64::from(*byte))
    };
    Traffic {
        received: number(0),
        sent: number(8),
        connections: number(16),
    }
}

/// Replaces what an open file holds.
pub(super) fn store(file: &File, traffic: Traffic) -> io::Result<()> {
    let mut bytes = [0; SIZE];
    bytes[..8].copy_from_slice(&traffic.received.to_le_bytes());
    bytes[8..16].copy_from_slice(&traffic.sent.to_le_bytes());
    bytes[16..].copy_from_slice(&traffic.connections.to_le_bytes());
    file.write_all_at(&bytes, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), Traffic::default());
        let file = open(dir.path()).unwrap();
        assert_eq!(load(&file), Traffic::default());
        let traffic = Traffic {
            received: u64::MAX,
            sent: 258,
            connections: 3,
        };
        store(&file, traffic).unwrap();
        assert_eq!(read(dir.path()), traffic);
        assert_eq!(load(&open(dir.path()).unwrap()), traffic);
    }
}
