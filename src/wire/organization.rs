//! Organizations.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, MetadataPatch, shared};
use crate::model::Org;

/// Body of `POST /v3/organizations`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The name.
    pub name: String,
    /// Whether it starts suspended.
    pub suspended: Option<bool>,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// Body of `PATCH /v3/organizations/:guid`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// A new name.
    pub name: Option<String>,
    /// Whether it is suspended.
    pub suspended: Option<bool>,
    /// Changes to labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// One organization.
#[must_use]
pub fn present(org: &Org, base: &Base) -> Value {
    let path = format!("/v3/organizations/{}", org.id);
    let quota = org.quota();
    json!({
        "guid": org.id.to_string(),
        "created_at": org.created_at.to_string(),
        "updated_at": org.updated_at.to_string(),
        "name": org.name,
        "suspended": org.suspended,
        "relationships": { "quota": shared::to_one(quota) },
        "metadata": shared::metadata(&org.metadata),
        "links": Links::new(base)
            .to("self", &path)
            .to("domains", &format!("{path}/domains"))
            .to("default_domain", &format!("{path}/domains/default"))
            .to("quota", &format!("/v3/organization_quotas/{quota}"))
            .json(),
    })
}
