//! What is kept, and how much of it.

/// An archive that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Length in bytes.
    pub size: u64,
}

/// Most that an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an upload.
    pub upload: u64,
    /// Bytes of everything unpacked.
    pub unpacked: u64,
    /// Files, folders and links.
    pub entries: u64,
}

/// A file of the user's that is already kept, by its SHA-1 (Cloud Foundry's resource matching).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Path in the package.
    pub path: String,
    /// SHA-1 in hexadecimal.
    pub sha1: String,
    /// Length in bytes.
    pub size: u64,
    /// Unix permission bits.
    pub mode: u32,
}
