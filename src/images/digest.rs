//! Digests as images write them.

use sha2::{Digest, Sha256};

/// A digest in hexadecimal.
pub(super) fn hex(digest: impl AsRef<[u8]>) -> String {
    use std::fmt::Write as _;
    digest
        .as_ref()
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The digest of `bytes`, with `sha256:` before it.
pub(super) fn of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(Sha256::digest(bytes)))
}
