//! Revisions.

use serde_json::{Map, Value, json};

use super::{Base, Links, shared};
use crate::model::Revision;

/// What a revision's document has beside the revision.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Whether there is still something to run from.
    pub deployable: bool,
    /// Whether commands may be seen.
    pub open: bool,
}

/// One revision.
#[must_use]
pub fn present(revision: &Revision, view: View, base: &Base) -> Value {
    let path = format!("/v3/revisions/{}", revision.id);
    let commands = revision.blueprint.commands.iter();
    let processes: Map<String, Value> = commands
        .map(|(kind, command)| {
            let hidden = command.as_ref().map(|_| "[PRIVATE DATA HIDDEN]");
            let command = if view.open {
                command.as_deref()
            } else {
                hidden
            };
            (kind.to_string(), json!({ "command": command }))
        })
        .collect();
    json!({
        "guid": revision.id.to_string(),
        "version": revision.version,
        "droplet": { "guid": revision.blueprint.droplet.to_string() },
        "processes": processes,
        "sidecars": revision.blueprint.sidecars.iter().map(|one| json!({
            "name": one.name,
            "command": if view.open { &one.command } else { "[PRIVATE DATA HIDDEN]" },
            "process_types": one.process_types,
            "memory_in_mb": one.memory.map(|size| size.0),
        })).collect::<Vec<_>>(),
        "description": revision.description,
        "deployable": view.deployable,
        "created_at": revision.created_at.to_string(),
        "updated_at": revision.updated_at.to_string(),
        "relationships": { "app": shared::to_one(revision.app) },
        "metadata": shared::metadata(&revision.metadata),
        "links": Links::new(base)
            .to("self", &path)
            .to("app", &format!("/v3/apps/{}", revision.app))
            .to("environment_variables", &format!("{path}/environment_variables"))
            .json(),
    })
}

/// What its processes find in their environment.
#[must_use]
pub fn environment_variables(revision: &Revision, base: &Base) -> Value {
    let path = format!("/v3/revisions/{}", revision.id);
    json!({
        "var": revision.blueprint.env,
        "links": Links::new(base)
            .to("self", &format!("{path}/environment_variables"))
            .to("revision", &path)
            .to("app", &format!("/v3/apps/{}", revision.app))
            .json(),
    })
}
