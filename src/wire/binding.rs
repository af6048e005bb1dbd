//! Service credential bindings, and what bound apps find in their environment.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Base, Links, MetadataPatch, ToOne, service::operation, shared, shared::Hidden};
use crate::model::{Binding, Offering, Plan, Service};

/// Body of `POST /v3/service_credential_bindings`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// `app` or `key`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the app shall know it by.
    pub name: Option<String>,
    /// For the broker of a managed instance.
    pub parameters: Option<Hidden<Map<String, Value>>>,
    /// Whether there may be several: `single` or `multiple`.
    pub strategy: Option<String>,
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
    /// The app, unless it is a key.
    pub app: Option<ToOne>,
}

/// One binding, without credentials; `managed` says whether its instance is a broker's.
#[must_use]
pub fn present(binding: &Binding, managed: bool, base: &Base) -> Value {
    let path = format!("/v3/service_credential_bindings/{}", binding.id);
    let mut relationships = json!({ "service_instance": shared::to_one(binding.service) });
    let mut links = Links::new(base)
        .to("self", &path)
        .to("details", &format!("{path}/details"))
        .to(
            "service_instance",
            &format!("/v3/service_instances/{}", binding.service),
        );
    if managed {
        links = links.to("parameters", &format!("{path}/parameters"));
    }
    if let Some(app) = binding.app {
        relationships["app"] = shared::to_one(app);
        links = links.to("app", &format!("/v3/apps/{app}"));
    }
    json!({
        "guid": binding.id.to_string(),
        "created_at": binding.created_at.to_string(),
        "updated_at": binding.updated_at.to_string(),
        "name": binding.name,
        "type": kind(binding),
        "last_operation": operation(&binding.last_operation),
        "relationships": relationships,
        "metadata": shared::metadata(&binding.metadata),
        "links": links.json(),
    })
}

/// What a binding is, as filters spell it.
#[must_use]
pub const fn kind(binding: &Binding) -> &'static str {
    match binding.app {
        Some(_) => "app",
        None => "key",
    }
}

/// The credentials of a binding to `service`.
#[must_use]
pub fn details(binding: &Binding, service: &Service) -> Value {
    let credentials = &binding.credentials(service).0;
    match binding.app {
        // A key has no log to drain.
        None => json!({ "credentials": credentials }),
        Some(_) => json!({
            "credentials": credentials,
            "syslog_drain_url": binding.syslog_drain_url(service),
            "volume_mounts": [],
        }),
    }
}

/// What an app is bound to.
#[derive(Debug, Clone, Copy)]
pub struct Bound<'a> {
    /// The binding.
    pub binding: &'a Binding,
    /// To what.
    pub service: &'a Service,
    /// What a broker made it of.
    pub origin: Option<(&'a Plan, &'a Offering)>,
}

/// `VCAP_SERVICES` of an app with these bindings (Cloud Foundry's developer guide, "`VCAP_SERVICES`"):
/// by what offers them, with credentials.
#[must_use]
pub fn vcap_services<'a>(bindings: impl IntoIterator<Item = Bound<'a>>) -> Value {
    let mut labels: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for bound in bindings {
        let Bound {
            binding,
            service,
            origin,
        } = bound;
        if !binding.is_there() {
            continue;
        }
        let label = origin.map_or("user-provided", |(_, offering)| &offering.terms.name);
        let name = binding.name.as_deref().unwrap_or(&service.name);
        let offered = origin.map(|(_, offering)| offering.terms.tags.as_slice());
        let mut tags: Vec<&String> = Vec::new();
        for tag in offered.unwrap_or_default().iter().chain(&service.tags) {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        let mut entry = json!({
            "label": label,
            "name": name,
            "tags": tags,
            "instance_guid": service.id.to_string(),
            "instance_name": service.name,
            "binding_guid": binding.id.to_string(),
            "binding_name": binding.name,
            "credentials": binding.credentials(service).0,
            "syslog_drain_url": binding.syslog_drain_url(service),
            "volume_mounts": [],
        });
        if let Some((plan, _)) = origin {
            entry["provider"] = Value::Null;
            entry["plan"] = plan.terms.name.clone().into();
        }
        labels.entry(label).or_default().push(entry);
    }
    json!(labels)
}
