//! What can go wrong with the store.

use std::{io, path::PathBuf};

/// Why the store could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A file could not be read or written.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// `open`, `append to`, `sync`, ...
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::sync::Arc<io::Error>,
    },
    /// The store was closed, or stopped after an error that it could not repair.
    #[error("the store is closed")]
    Closed,
}
