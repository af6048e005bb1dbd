//! Service credential bindings, and what bound apps find in their environment.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, MetadataPatch, ToOne, service::operation, shared, shared::Hidden};
use crate::model::{Binding, Service, ServiceKind};

/// Body of `POST /v3/service_credential_bindings`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// `app` or `key`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the app shall know it by.
    pub name: Option<String>,
    /// For the broker of a managed instance.
    pub parameters: Option<Hidden<Value>>,
    /// Whether there may be several: `single` or `multiple`.
    pub strategy: Option<String>,
    /// What is bound to what.
    pub relationships: Relationships,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// What is bound to what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relationships {
    /// The service instance.
    pub service_instance: ToOne,
    /// The app, unless it is a key.
    pub app: Option<ToOne>,
}

/// One binding, without credentials.
#[must_use]
pub fn present(binding: &Binding, base: &Base) -> Value {
    let path = format!("/v3/service_credential_bindings/{}", binding.id);
    json!({
        "guid": binding.id.to_string(),
        "created_at": binding.created_at.to_string(),
        "updated_at": binding.updated_at.to_string(),
        "name": binding.name,
        "type": "app",
        "last_operation": operation(&binding.last_operation),
        "relationships": {
            "service_instance": shared::to_one(binding.service),
            "app": shared::to_one(binding.app),
        },
        "metadata": shared::metadata(&binding.metadata),
        "links": Links::new(base)
            .to("self", &path)
            .to("details", &format!("{path}/details"))
            .to(
                "service_instance",
                &format!("/v3/service_instances/{}", binding.service),
            )
            .to("app", &format!("/v3/apps/{}", binding.app))
            .json(),
    })
}

/// The credentials of a binding to `service`.
#[must_use]
pub fn details(service: &Service) -> Value {
    json!({
        "credentials": service.credentials().0,
        "syslog_drain_url": service.syslog_drain_url(),
        "volume_mounts": [],
    })
}

/// `VCAP_SERVICES` of an app with these bindings (Cloud Foundry's developer guide, "`VCAP_SERVICES`"):
/// by what offers them, with credentials.
#[must_use]
pub fn vcap_services<'a>(bindings: impl IntoIterator<Item = (&'a Binding, &'a Service)>) -> Value {
    let mut labels: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (binding, service) in bindings {
        let label = match service.kind {
            ServiceKind::UserProvided { .. } => "user-provided",
        };
        let name = binding.name.as_deref().unwrap_or(&service.name);
        labels.entry(label).or_default().push(json!({
            "label": label,
            "name": name,
            "tags": service.tags,
            "instance_guid": service.id.to_string(),
            "instance_name": service.name,
            "binding_guid": binding.id.to_string(),
            "binding_name": binding.name,
            "credentials": service.credentials().0,
            "syslog_drain_url": service.syslog_drain_url(),
            "volume_mounts": [],
        }));
    }
    json!(labels)
}
