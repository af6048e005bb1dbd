//! What may be reached from inside, as the daemon writes it down for the shim.

use std::{
    fs::{self, File},
    io::{self, Read, Seek},
    path::Path,
};

use crate::model::NetworkPolicy;

/// In the instance's folder.
const FILE: &str = "network.json";

/// More is no policy.
const LONGEST: u64 = 8 << 20;

/// Replaces the file in `dir` as a whole; whether it said something else before.
pub(in crate::sandbox) fn write(dir: &Path, policy: &NetworkPolicy) -> io::Result<bool> {
    let (path, text) = (dir.join(FILE), serde_json::to_vec(policy)?);
    if fs::read(&path).is_ok_and(|before| before == text) {
        return Ok(false);
    }
    let fresh = dir.join("network.new");
    fs::write(&fresh, text)?;
    fs::rename(&fresh, &path)?;
    Ok(true)
}

/// The file in `dir`.
pub(super) fn open(dir: &Path) -> io::Result<File> {
    File::open(dir.join(FILE))
}

/// What an open file says.
pub(super) fn read(file: &mut File) -> io::Result<NetworkPolicy> {
    let mut text = Vec::new();
    // Others have the same file open, and its position with it.
    file.rewind()?;
    file.take(LONGEST).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_the_same_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let mut policy = NetworkPolicy::default();
        assert!(write(dir.path(), &policy).unwrap());
        assert!(!write(dir.path(), &policy).unwrap());
        policy.bytes_per_second = Some(7);
        assert!(write(dir.path(), &policy).unwrap());
        let mut file = open(dir.path()).unwrap();
        for _ in 0..2 {
            assert_eq!(read(&mut file).unwrap(), policy);
        }
    }
}
