//! Processes: the scalable parts of an app.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{
    AppId, DropletId, HealthCheck, Megabytes, Metadata, ProcessId, ProcessType, ReadinessCheck,
    RevisionId, SidecarPlan, Timestamp,
};

/// What a process goes on running from while a deployment replaces it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The app's generation.
    pub generation: u64,
    /// The droplet.
    pub droplet: DropletId,
    /// The app's environment variables.
    pub env: BTreeMap<String, String>,
    /// The user's start command; none for the droplet's.
    pub command: Option<String>,
    /// What runs beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecars: Vec<SidecarPlan>,
}

// The environment and commands often hold secrets.
impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pin")
            .field("generation", &self.generation)
            .field("droplet", &self.droplet)
            .finish_non_exhaustive()
    }
}

/// One process type of an app and how many instances of it should run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Identity.
    pub id: ProcessId,
    /// The app.
    pub app: AppId,
    /// `web`, `worker`, ...
    pub process_type: ProcessType,
    /// The user's start command; none for the droplet's.
    pub command: Option<String>,
    /// How many instances should run while the app is started.
    pub instances: u32,
    /// Memory of one instance.
    pub memory: Megabytes,
    /// Disk of one instance.
    pub disk: Megabytes,
    /// Log bytes per second that one instance may write; negative for no limit.
    pub log_rate_limit: i64,
    /// Start-up and liveness.
    pub health: HealthCheck,
    /// Readiness.
    pub readiness: ReadinessCheck,
    /// Grows when an instance must be replaced for a change to take effect (see `App`).
    #[serde(default)]
    pub generation: u64,
    /// What it was last started with, where the app keeps revisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionId>,
    /// What it goes on running from, in place of what the app says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
