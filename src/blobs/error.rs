//! Why an archive is not kept or unpacked.

use std::io;

/// Why an archive or tree could not be kept or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// More than a limit allows.
    #[error("{what} is larger than the limit of {limit}")]
    TooLarge {
        /// What is too large, for the user.
        what: &'static str,
        /// The limit, for the user.
        limit: String,
    },
    /// The archive is not one, or holds something that is refused.
    #[error("{0}")]
    Refused(String),
    /// Nothing is kept under this digest.
    #[error("nothing is kept under {0}")]
    Missing(String),
    /// A file could not be read or written.
    #[error("cannot {what}")]
    Io {
        /// What was attempted.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl BlobError {
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// For work on a file or folder.
    pub(super) fn at<'a>(
        verb: &'a str,
        path: &'a std::path::Path,
    ) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io {
            what: format!("{verb} {}", path.display()),
            source,
        }
    }

    /// Too many bytes.
    pub(super) fn too_large(what: &'static str, limit: u64) -> Self {
        Self::TooLarge {
            what,
            limit: crate::stdx::bytes::display(limit),
        }
    }

    /// Whether a full disk (or a quota on it) is what is behind this.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ))
    }
}
