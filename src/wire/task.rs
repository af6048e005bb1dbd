//! Tasks.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, MetadataPatch, Relationship, shared, shared::Hidden};
use crate::model::{Task, TaskState};

/// Body of `POST /v3/apps/:guid/tasks`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// What runs; where it is missing, the template's command does.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub command: Hidden<Option<String>>,
    /// A process whose command and sizes are taken where nothing else is said.
    pub template: Option<Template>,
    /// What people call it.
    pub name: Option<String>,
    /// Its memory.
    pub memory_in_mb: Option<i64>,
    /// Its disk.
    pub disk_in_mb: Option<i64>,
    /// Log bytes per second; -1 for no limit.
    pub log_rate_limit_in_bytes_per_second: Option<i64>,
    /// What it runs from, where that is not the app's current droplet.
    pub droplet_guid: Option<String>,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// What a task is modelled on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Template {
    /// The process.
    pub process: Relationship,
}

/// One task; `open` tells whether its command may be seen.
#[must_use]
pub fn present(task: &Task, open: bool, base: &Base) -> Value {
    let path = format!("/v3/tasks/{}", task.id);
    let reason = match &task.state {
        TaskState::Failed { reason } => Some(reason),
        _ => None,
    };
    let mut document = json!({
        "guid": task.id.to_string(),
        "created_at": task.created_at.to_string(),
        "updated_at": task.updated_at.to_string(),
        "sequence_id": task.sequence,
        "name": task.name,
        "state": state(&task.state),
        "memory_in_mb": task.memory.0,
        "disk_in_mb": task.disk.0,
        "log_rate_limit_in_bytes_per_second": task.log_rate_limit,
        "result": { "failure_reason": reason },
        "droplet_guid": task.droplet.to_string(),
        "relationships": { "app": shared::to_one(task.app) },
        "metadata": shared::metadata(&task.metadata),
        "links": Links::new(base)
            .to("self", &path)
            .to("app", &format!("/v3/apps/{}", task.app))
            .action("cancel", &format!("{path}/actions/cancel"), "POST")
            .to("droplet", &format!("/v3/droplets/{}", task.droplet))
            .json(),
    });
    if open {
        document["command"] = task.command.clone().into();
    }
    document
}

/// A task's state as the API spells it.
#[must_use]
pub const fn state(state: &TaskState) -> &'static str {
    match state {
        TaskState::Pending => "PENDING",
        TaskState::Running => "RUNNING",
        TaskState::Canceling => "CANCELING",
        TaskState::Succeeded => "SUCCEEDED",
        TaskState::Failed { .. } => "FAILED",
    }
}
