//! The key by which clients know this server again.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use russh::keys::{
    Algorithm, HashAlg, PrivateKey,
    ssh_key::{self, LineEnding},
};

/// The file in the server's folder.
const FILE: &str = "host-key";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("cannot read or make {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no key, or none could be made.
    #[error("{} holds no usable key", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ssh_key::Error,
    },
}

/// The key in `dir`, which is made on the first start. Blocks on the disk.
pub(super) fn open(dir: &Path) -> Result<PrivateKey, KeyError> {
    let path = dir.join(FILE);
    let file = |source| KeyError::File {
        path: path.clone(),
        source,
    };
    let key = |source| KeyError::Key {
        path: path.clone(),
        source,
    };
    match fs::read_to_string(&path) {
        Ok(text) => return PrivateKey::from_openssh(&text).map_err(key),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(file(error)),
    }
    let made = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).map_err(key)?;
    let text = made.to_openssh(LineEnding::LF).map_err(key)?;
    fs::create_dir_all(dir).map_err(file)?;
    // Whole or not at all: half a key would lock everybody out at the next start.
    let new = dir.join("host-key.new");
    let write = || {
        let mut out = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::rename(&new, &path)
    };
    write().map_err(file)?;
    Ok(made)
}

/// What clients compare: the SHA-256 of the public key in unpadded base64.
pub(super) fn fingerprint(key: &PrivateKey) -> String {
    let text = key.public_key().fingerprint(HashAlg::Sha256).to_string();
    text.trim_start_matches("SHA256:").to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_stays_the_same_and_is_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("ssh");
        let first = open(&dir).unwrap();
        let again = open(&dir).unwrap();
        assert_eq!(fingerprint(&first), fingerprint(&again));
        assert_eq!(fingerprint(&first).len(), 43);
        let mode = fs::metadata(dir.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "no key").unwrap();
        let error = open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("holds no usable key"), "{error}");
    }
}
