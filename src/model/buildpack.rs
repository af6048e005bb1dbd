//! Classic buildpacks: programs that an operator gave the platform to build apps with.

use serde::{Deserialize, Serialize};

use super::{BuildpackId, Metadata, Timestamp};

/// A classic buildpack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buildpack {
    /// Identity.
    pub id: BuildpackId,
    /// Unique among those of one stack, whatever the case.
    pub name: String,
    /// The stack that it is for; none for any.
    pub stack: Option<String>,
    /// Its place in the order in which they are asked, from 1; the platform's own have the places
    /// that the operator's leave.
    pub position: u32,
    /// Whether it is used at all.
    pub enabled: bool,
    /// Whether its bits may not be replaced.
    pub locked: bool,
    /// The name of the file that was uploaded.
    pub filename: Option<String>,
    /// The digest of its bits; none before they are uploaded.
    pub bits: Option<String>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Buildpack {
    /// Whether it is the one that is asked for by `name`.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether it builds for `stack`.
    #[must_use]
    pub fn is_for(&self, stack: &str) -> bool {
        self.stack.as_deref().is_none_or(|own| own == stack)
    }
}

/// The places of what comes with the platform: those that are not `taken`.
pub fn free_places(taken: &[u32]) -> impl Iterator<Item = u32> {
    (1..).filter(|place| !taken.contains(place))
}
