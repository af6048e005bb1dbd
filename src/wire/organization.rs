//! Organizations.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, MetadataPatch, shared};
use crate::model::Org;

/// Body of `POST /v3/organizations`.
#[derive(Debug, Deserialize)]
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
#[derive(Debug, Deserialize)]
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

/// One organization; `quota` is the guid of its quota.
#[must_use]
pub fn present(org: &Org, quota: &str, base: &Base) -> Value {
    let path = format!("/v3/organizations/{}", org.id);
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

/// What an organization uses of the platform.
#[must_use]
pub fn usage(
    (instances, memory): (u64, u64),
    routes: usize,
    domains: usize,
    services: usize,
    link: &Value,
) -> Value {
    json!({
        "usage_summary": {
            "started_instances": instances,
            "memory_in_mb": memory,
            "routes": routes,
            "service_instances": services,
            "reserved_ports": 0,
            "domains": domains,
            "per_app_tasks": 0,
            "service_keys": 0,
        },
        "links": { "self": link },
    })
}
