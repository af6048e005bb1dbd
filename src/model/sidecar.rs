//! Sidecars: commands that run beside a process, in each of its instances.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use super::{AppId, Megabytes, ProcessType, SidecarId, Timestamp};

/// What runs beside which processes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SidecarPlan {
    /// Unique in its app.
    pub name: String,
    /// What runs.
    pub command: String,
    /// The processes beside which it runs.
    pub process_types: BTreeSet<ProcessType>,
    /// The part of an instance's memory that is meant for it; none where nothing was said.
    pub memory: Option<Megabytes>,
}

// Commands often hold secrets.
impl fmt::Debug for SidecarPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SidecarPlan")
            .field("name", &self.name)
            .field("process_types", &self.process_types)
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

/// A sidecar of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sidecar {
    /// Identity.
    pub id: SidecarId,
    /// The app.
    pub app: AppId,
    /// What runs beside which processes.
    #[serde(flatten)]
    pub plan: SidecarPlan,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
