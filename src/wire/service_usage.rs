//! What was used of services.

use serde_json::{Value, json};

use super::{Base, Links};
use crate::model::ServiceUsage;

/// One record of usage.
#[must_use]
pub fn present(usage: &ServiceUsage, base: &Base) -> Value {
    let pair = |pair: &Option<(String, String)>| {
        let (guid, name) = pair.clone().unzip();
        json!({ "guid": guid, "name": name })
    };
    json!({
        "guid": usage.id.to_string(),
        "created_at": usage.created_at.to_string(),
        "updated_at": usage.created_at.to_string(),
        "state": usage.state,
        "space": { "guid": usage.space.to_string(), "name": usage.space_name },
        "organization": { "guid": usage.org.to_string() },
        "service_instance": {
            "guid": usage.instance.to_string(),
            "name": usage.instance_name,
            "type": usage.instance_type,
        },
        "service_plan": pair(&usage.plan),
        "service_offering": pair(&usage.offering),
        "service_broker": pair(&usage.broker),
        "links": Links::new(base)
            .to("self", &format!("/v3/service_usage_events/{}", usage.id))
            .json(),
    })
}
