//! Domains.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, MetadataPatch, ToMany, ToOne, router_group, shared};
use crate::model::{Domain, OrgId};

/// Body of `POST /v3/domains`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The name.
    pub name: String,
    /// Whether it is for traffic between apps only.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub internal: bool,
    /// The group whose ports its routes are, for a TCP domain.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub router_group: Option<RouterGroup>,
    /// Who owns it and who else may use it.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub relationships: Relationships,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// A router group by its guid.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouterGroup {
    /// The guid.
    pub guid: String,
}

/// Who owns a domain and who else may use it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Relationships {
    /// The owner; none for a shared domain.
    pub organization: Option<ToOne>,
    /// Who else may use a private domain.
    pub shared_organizations: Option<ToMany>,
}

/// Body of `PATCH /v3/domains/:guid`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Changes to labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// One domain, with those of the organizations that it is shared with whom the reader sees.
#[must_use]
pub fn present(domain: &Domain, base: &Base, sees: &dyn Fn(OrgId) -> bool) -> Value {
    let shared_with: Vec<OrgId> = domain
        .shared_with
        .iter()
        .copied()
        .filter(|org| sees(*org))
        .collect();
    let path = format!("/v3/domains/{}", domain.id);
    let mut links = Links::new(base)
        .to("self", &path)
        .to("route_reservations", &format!("{path}/route_reservations"));
    if let Some(org) = domain.org {
        links = links
            .to("organization", &format!("/v3/organizations/{org}"))
            .to(
                "shared_organizations",
                &format!("{path}/relationships/shared_organizations"),
            );
    }
    if domain.tcp {
        let group = format!("/routing/v1/router_groups/{}", router_group::GUID);
        links = links.to("router_group", &group);
    }
    json!({
        "guid": domain.id.to_string(),
        "created_at": domain.created_at.to_string(),
        "updated_at": domain.updated_at.to_string(),
        "name": domain.name,
        "internal": domain.internal,
        "router_group": domain.tcp.then(|| json!({ "guid": router_group::GUID })),
        "supported_protocols": [if domain.tcp { "tcp" } else { "http" }],
        "relationships": {
            "organization": shared::to_maybe(domain.org),
            "shared_organizations": shared::to_many(&shared_with),
        },
        "metadata": shared::metadata(&domain.metadata),
        "links": links.json(),
    })
}
