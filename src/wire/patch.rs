//! Members of a `PATCH` that tell "absent" from "null".

use serde::{Deserialize, Deserializer};

/// For `#[serde(default, deserialize_with = "nullable")]`: absent is `None`, `null` is
/// `Some(None)`.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
