//! What may be reached from inside, as the daemon writes it down for the shim.

use std::{fs, io, path::Path};

use crate::model::NetworkPolicy;

/// In the instance's folder.
const FILE: &str = "network.json";

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
    }
}
