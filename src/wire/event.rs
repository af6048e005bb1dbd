//! Audit events.

use serde_json::{Value, json};

use super::{Base, Links};
use crate::model::Event;

/// One event.
#[must_use]
pub fn present(event: &Event, base: &Base) -> Value {
    let place = |guid: Option<String>| guid.map(|guid| json!({ "guid": guid }));
    json!({
        "guid": event.id.to_string(),
        "created_at": event.created_at.to_string(),
        "updated_at": event.created_at.to_string(),
        "type": event.kind,
        "actor": {
            "guid": event.actor.guid,
            "type": event.actor.kind,
            "name": event.actor.name,
        },
        "target": {
            "guid": event.target.guid,
            "type": event.target.kind,
            "name": event.target.name,
        },
        "data": if event.data.is_null() { json!({}) } else { event.data.clone() },
        "space": place(event.space.map(|space| space.to_string())),
        "organization": place(event.org.map(|org| org.to_string())),
        "links": Links::new(base).to("self", &format!("/v3/audit_events/{}", event.id)).json(),
    })
}
