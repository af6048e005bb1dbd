//! Processes: the scalable parts of an app.

use serde::{Deserialize, Serialize};

use super::{
    AppId, HealthCheck, Megabytes, Metadata, ProcessId, ProcessType, ReadinessCheck, Timestamp,
};

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
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
