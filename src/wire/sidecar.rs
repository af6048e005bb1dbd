//! Sidecars.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Base, Links,
    shared::{self, Hidden},
};
use crate::model::Sidecar;

/// Body of `POST /v3/apps/:guid/sidecars`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// Unique in its app.
    pub name: String,
    /// What runs.
    pub command: Hidden<String>,
    /// The processes beside which it runs.
    pub process_types: Vec<String>,
    /// The part of an instance's memory that is meant for it.
    pub memory_in_mb: Option<i64>,
}

/// Body of `PATCH /v3/sidecars/:guid`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// A new name.
    pub name: Option<String>,
    /// A new command.
    #[serde(default)]
    pub command: Hidden<Option<String>>,
    /// Other processes.
    pub process_types: Option<Vec<String>>,
    /// Another part of an instance's memory; `null` for none of its own.
    #[serde(default, deserialize_with = "shared::maybe_null")]
    pub memory_in_mb: Option<Option<i64>>,
}

/// One sidecar; `open` tells whether its command may be seen.
#[must_use]
pub fn present(sidecar: &Sidecar, open: bool, base: &Base) -> Value {
    let command = if open {
        &sidecar.plan.command
    } else {
        "[PRIVATE DATA HIDDEN]"
    };
    json!({
        "guid": sidecar.id.to_string(),
        "created_at": sidecar.created_at.to_string(),
        "updated_at": sidecar.updated_at.to_string(),
        "name": sidecar.plan.name,
        "command": command,
        "process_types": sidecar.plan.process_types,
        "memory_in_mb": sidecar.plan.memory.map(|size| size.0),
        "origin": "user",
        "relationships": { "app": shared::to_one(sidecar.app) },
        "links": Links::new(base)
            .to("self", &format!("/v3/sidecars/{}", sidecar.id))
            .to("app", &format!("/v3/apps/{}", sidecar.app))
            .json(),
    })
}
