//! What a runtime may look at to decide: the package's files and what the app was told.

use std::collections::BTreeMap;

/// The files of a package, or of an app's folder after its build.
pub trait Listing {
    /// Paths relative to the app's folder with `/` between parts, sorted; folders are left
    /// out, and so are files that lie deep.
    fn paths(&self) -> &[String];

    /// The text of a file; none where it is missing, too large or not text.
    fn text(&self, path: &str) -> Option<String>;
}

/// Everything that decisions are made from.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The files.
    pub files: &'a dyn Listing,
    /// The app's environment variables.
    pub env: &'a BTreeMap<String, String>,
    /// Whether the web process has a start command of its own (`cf push -c`), so that none
    /// has to be found.
    pub own_command: bool,
}

impl std::fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts")
            .field("paths", &self.files.paths())
            .field("own_command", &self.own_command)
            .finish_non_exhaustive()
    }
}

/// A listing in memory.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    paths: Vec<String>,
    texts: BTreeMap<String, String>,
}

impl<P: Into<String>, T: Into<String>> FromIterator<(P, T)> for Tree {
    fn from_iter<I: IntoIterator<Item = (P, T)>>(files: I) -> Self {
        let texts: BTreeMap<String, String> = files
            .into_iter()
            .map(|(path, text)| (path.into(), text.into()))
            .collect();
        Self {
            paths: texts.keys().cloned().collect(),
            texts,
        }
    }
}

impl Listing for Tree {
    fn paths(&self) -> &[String] {
        &self.paths
    }

    fn text(&self, path: &str) -> Option<String> {
        self.texts.get(path).cloned()
    }
}
