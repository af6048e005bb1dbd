//! Mistakes in a site's own files.

/// A mistake, in words for whoever made it.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// Something in one of the files.
    #[error("{place}: {what}")]
    Mistake {
        /// The file, with the line where that says more.
        place: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// A file that is there and cannot be read.
    #[error("{file} cannot be read")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
}

impl SiteError {
    pub(super) fn new(file: &str, what: impl Into<String>) -> Self {
        Self::Mistake {
            place: file.to_owned(),
            what: what.into(),
        }
    }

    /// In a line, counted from 0.
    pub(super) fn at(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self::new(&format!("{file}, line {}", line + 1), what)
    }
}
