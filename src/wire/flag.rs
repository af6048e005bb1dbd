//! Feature flags.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, shared};
use crate::model::{FeatureFlag, Flag};

/// Body of `PATCH /v3/feature_flags/:name`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Whether it is on.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// What is said to whom it stops.
    #[serde(default, deserialize_with = "shared::maybe_null")]
    pub custom_error_message: Option<Option<String>>,
}

/// One flag, and how an admin has set it.
#[must_use]
pub fn present(flag: Flag, enabled: bool, set: Option<&FeatureFlag>, base: &Base) -> Value {
    let name = flag.name();
    json!({
        "name": name,
        "enabled": enabled,
        "updated_at": set.map(|set| set.updated_at.to_string()),
        "custom_error_message": set.and_then(|set| set.custom_error_message.as_ref()),
        "links": Links::new(base).to("self", &format!("/v3/feature_flags/{name}")).json(),
    })
}
