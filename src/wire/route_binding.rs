//! Service route bindings.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Base, Links, MetadataPatch, ToOne, service::operation, shared, shared::Hidden};
use crate::model::RouteBinding;

/// Body of `POST /v3/service_route_bindings`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// For the broker of a managed instance.
    pub parameters: Option<Hidden<Map<String, Value>>>,
    /// What is bound to what.
    pub relationships: Relationships,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// What is bound to what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relationships {
    /// The service instance.
    pub service_instance: ToOne,
    /// The route.
    pub route: ToOne,
}

/// One binding; `managed` says whether its instance is a broker's.
#[must_use]
pub fn present(binding: &RouteBinding, managed: bool, base: &Base) -> Value {
    let path = format!("/v3/service_route_bindings/{}", binding.id);
    let mut links = Links::new(base)
        .to("self", &path)
        .to(
            "service_instance",
            &format!("/v3/service_instances/{}", binding.service),
        )
        .to("route", &format!("/v3/routes/{}", binding.route));
    if managed {
        links = links.to("parameters", &format!("{path}/parameters"));
    }
    json!({
        "guid": binding.id.to_string(),
        "route_service_url": binding.route_service_url,
        "created_at": binding.created_at.to_string(),
        "updated_at": binding.updated_at.to_string(),
        "last_operation": operation(&binding.last_operation),
        "metadata": shared::metadata(&binding.metadata),
        "relationships": {
            "service_instance": shared::to_one(binding.service),
            "route": shared::to_one(binding.route),
        },
        "links": links.json(),
    })
}
