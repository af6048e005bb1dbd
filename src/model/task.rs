//! Tasks: a command that runs once, with an app's droplet and environment.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AppId, DropletId, Megabytes, Metadata, TaskId, Timestamp};

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TaskState {
    /// Waits for its start.
    Pending,
    /// Its command runs.
    Running,
    /// A user wants it to end.
    Canceling,
    /// Its command ended with status 0.
    Succeeded,
    /// It ended otherwise.
    Failed {
        /// Why, for the user.
        reason: String,
    },
}

impl TaskState {
    /// Whether nothing of it is to come any more.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed { .. })
    }
}

/// One run of a command.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Identity.
    pub id: TaskId,
    /// The app.
    pub app: AppId,
    /// Its number among the app's tasks, from 1.
    pub sequence: u64,
    /// What people call it.
    pub name: String,
    /// What runs.
    pub command: String,
    /// Where it stands.
    pub state: TaskState,
    /// What it runs from.
    pub droplet: DropletId,
    /// Its memory.
    pub memory: Megabytes,
    /// Its disk.
    pub disk: Megabytes,
    /// Log bytes per second that it may write; negative for no limit.
    pub log_rate_limit: i64,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

// Commands often hold secrets.
impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("id", &self.id)
            .field("app", &self.app)
            .field("sequence", &self.sequence)
            .field("name", &self.name)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
