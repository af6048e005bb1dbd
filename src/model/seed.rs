//! What the platform makes once, and not again after somebody deleted it.

use serde::{Deserialize, Serialize};

use super::{SeedId, Timestamp};

/// A mark that something was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed {
    /// Which.
    pub id: SeedId,
    /// In words.
    pub name: String,
    /// When.
    pub at: Timestamp,
}
