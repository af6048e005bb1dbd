//! Buildpacks: the runtimes under the names that Cloud Foundry's tools know.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Base, Links};
use crate::model::Timestamp;

/// The guid of the buildpack at `position`, the same after every start.
#[must_use]
pub fn guid(position: usize) -> Uuid {
    // Buildpacks are no records: they come from files, and their order is their identity.
    const NAMESPACE: u128 = 0x7061_7374_696e_4000_8000_0000_0000_0000;
    Uuid::from_u128(NAMESPACE | position as u128)
}

/// The buildpack `name`, tried as number `position` (from 1).
#[must_use]
pub fn present(name: &str, position: usize, base: &Base) -> Value {
    let guid = guid(position);
    let since = Timestamp::default().to_string();
    json!({
        "guid": guid.to_string(),
        "created_at": since,
        "updated_at": since,
        "name": name,
        "stack": super::platform::STACK_NAME,
        "position": position,
        "enabled": true,
        "locked": true,
        "filename": null,
        "state": "READY",
        "lifecycle": "buildpack",
        "metadata": { "labels": {}, "annotations": {} },
        "links": Links::new(base).to("self", &format!("/v3/buildpacks/{guid}")).json(),
    })
}
