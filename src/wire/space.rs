//! Spaces.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, MetadataPatch, ToOne, shared};
use crate::model::Space;

/// Body of `POST /v3/spaces`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The name.
    pub name: String,
    /// Where it belongs.
    pub relationships: Relationships,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// Where a space belongs.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Relationships {
    /// The organization.
    pub organization: ToOne,
}

/// Body of `PATCH /v3/spaces/:guid`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// A new name.
    pub name: Option<String>,
    /// Changes to labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// Body of `PATCH /v3/spaces/:guid/features/:name`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Feature {
    /// Whether it is on.
    pub enabled: bool,
}

/// One space.
#[must_use]
pub fn present(space: &Space, base: &Base) -> Value {
    let path = format!("/v3/spaces/{}", space.id);
    let mut links = Links::new(base)
        .to("self", &path)
        .to("organization", &format!("/v3/organizations/{}", space.org))
        .to("features", &format!("{path}/features"))
        .action(
            "apply_manifest",
            &format!("{path}/actions/apply_manifest"),
            "POST",
        );
    if let Some(quota) = space.quota {
        links = links.to("quota", &format!("/v3/space_quotas/{quota}"));
    }
    json!({
        "guid": space.id.to_string(),
        "created_at": space.created_at.to_string(),
        "updated_at": space.updated_at.to_string(),
        "name": space.name,
        "relationships": {
            "organization": shared::to_one(space.org),
            "quota": shared::to_maybe(space.quota),
        },
        "metadata": shared::metadata(&space.metadata),
        "links": links.json(),
    })
}

/// The feature `ssh` of a space.
#[must_use]
pub fn ssh(space: &Space) -> Value {
    json!({
        "name": "ssh",
        "description": "Enable SSHing into apps in the space.",
        "enabled": space.allow_ssh,
    })
}
