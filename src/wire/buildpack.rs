//! Buildpacks: those of the operator, and the runtimes under the names that Cloud Foundry's
//! tools know.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Base, Links, MetadataPatch, shared};
use crate::model::{Buildpack, Timestamp};

/// Body of `POST /v3/buildpacks`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The name.
    pub name: String,
    /// The stack that it is for.
    pub stack: Option<String>,
    /// Its place, from 1; the first where nothing is said.
    pub position: Option<i64>,
    /// Whether it is used.
    pub enabled: Option<bool>,
    /// Whether its bits may not be replaced.
    pub locked: Option<bool>,
    /// The kind of buildpack.
    pub lifecycle: Option<String>,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// Body of `PATCH /v3/buildpacks/:guid`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Update {
    /// A new name.
    pub name: Option<String>,
    /// The stack that it is for.
    pub stack: Option<String>,
    /// A new place, from 1.
    pub position: Option<i64>,
    /// Whether it is used.
    pub enabled: Option<bool>,
    /// Whether its bits may not be replaced.
    pub locked: Option<bool>,
    /// Labels and annotations.
    #[serde(deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// The guid of the runtime that is the `number`th, the same after every start.
#[must_use]
pub fn runtime_guid(number: usize) -> Uuid {
    // Runtimes are no records: they come from files, and their order is their identity.
    const NAMESPACE: u128 = 0x7061_7374_696e_4000_8000_0000_0000_0000;
    Uuid::from_u128(NAMESPACE | number as u128)
}

/// The runtime `name`, the `number`th of them, tried at `position` (both from 1).
#[must_use]
pub fn present_runtime(name: &str, number: usize, position: u32, base: &Base) -> Value {
    let guid = runtime_guid(number);
    let since = Timestamp::default().to_string();
    json!({
        "guid": guid.to_string(),
        "created_at": since,
        "updated_at": since,
        "name": name,
        "stack": super::platform::STACK_NAME,
        "position": position,
        "enabled": true,
        "locked": true,
        "filename": null,
        "state": "READY",
        "lifecycle": "buildpack",
        "metadata": { "labels": {}, "annotations": {} },
        "links": Links::new(base).to("self", &format!("/v3/buildpacks/{guid}")).json(),
    })
}

/// A buildpack of the operator's.
#[must_use]
pub fn present(buildpack: &Buildpack, base: &Base) -> Value {
    let path = format!("/v3/buildpacks/{}", buildpack.id);
    let links = Links::new(base)
        .to("self", &path)
        .action("upload", &format!("{path}/upload"), "POST")
        .json();
    json!({
        "guid": buildpack.id.to_string(),
        "created_at": buildpack.created_at.to_string(),
        "updated_at": buildpack.updated_at.to_string(),
        "name": buildpack.name,
        "stack": buildpack.stack,
        "position": buildpack.position,
        "enabled": buildpack.enabled,
        "locked": buildpack.locked,
        "filename": buildpack.filename,
        "state": if buildpack.bits.is_some() { "READY" } else { "AWAITING_UPLOAD" },
        "lifecycle": "buildpack",
        "metadata": buildpack.metadata,
        "links": links,
    })
}
