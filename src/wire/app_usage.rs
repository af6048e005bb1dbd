//! Usage events as the API shows them.

use serde_json::{Value, json};

use super::{Base, Links};
use crate::model::{AppUsage, Named};

/// The document of an event.
#[must_use]
pub fn present(event: &AppUsage, base: &Base) -> Value {
    let guid = |named: Option<&Named>| named.map(|named| named.guid.clone());
    let name = |named: Option<&Named>| named.map(|named| named.name.clone());
    let (process, task) = (event.process.as_ref(), event.task.as_ref());
    let path = format!("/v3/app_usage_events/{}", event.id);
    json!({
        "guid": event.id.to_string(),
        "created_at": event.created_at.to_string(),
        "updated_at": event.created_at.to_string(),
        "state": event.state,
        "app": event.app,
        "process": { "guid": guid(process), "type": name(process) },
        "space": { "guid": event.space.0.to_string(), "name": event.space.1 },
        "organization": { "guid": event.org.to_string() },
        "buildpack": { "guid": null, "name": event.buildpack },
        "task": { "guid": guid(task), "name": name(task) },
        "memory_in_mb_per_instance": event.memory,
        "instance_count": event.instances,
        "links": Links::new(base).to("self", &path).json(),
    })
}
