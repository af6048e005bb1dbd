//! What the reconciler asks for.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Slot, Version};
use crate::{
    certs::Bearer,
    model::{App, Droplet, DropletKind, InstanceId, NetworkPolicy, Process, SidecarPlan, TaskId},
    sandbox::Files,
};

/// An instance to start.
#[derive(Clone)]
pub struct Order {
    /// Where.
    pub slot: Slot,
    /// Its identity.
    pub instance: InstanceId,
    /// From what.
    pub version: Version,
    /// Crashes in a row before it.
    pub crashes: u32,
    /// The app.
    pub app: Arc<App>,
    /// The process.
    pub process: Arc<Process>,
    /// The droplet.
    pub droplet: Arc<Droplet>,
    /// Whose it is.
    pub bearer: Bearer,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// What it is bound to, where that is told in files; or why it cannot be.
    pub files: Result<Option<Files>, String>,
    /// What it may reach at first.
    pub network: NetworkPolicy,
    /// What runs beside it.
    pub sidecars: Vec<SidecarPlan>,
    /// The task that it is, in place of an instance of a process; `process` stands in for it.
    pub task: Option<TaskMark>,
}

/// Says of an instance that it is a task, and which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskMark {
    /// The task.
    pub id: TaskId,
    /// What people call it.
    pub name: String,
}

impl Order {
    /// What runs it: a task of a site of files is a command as any other.
    pub(super) fn kind(&self) -> DropletKind {
        match (&self.task, self.droplet.kind) {
            (Some(_), DropletKind::Static) => DropletKind::Process,
            (_, kind) => kind,
        }
    }
}

// The environment often holds secrets.
impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("slot", &self.slot)
            .field("instance", &self.instance)
            .field("version", &self.version)
            .field("crashes", &self.crashes)
            .finish_non_exhaustive()
    }
}
