//! Labels and annotations, as every object of the API carries them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Labels (selectable) and annotations (free text) that a user put on an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// `[prefix/]name` to a value of at most 63 characters.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `[prefix/]name` to a value of at most 5,000 characters.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}
