//! Usage events: what was running, built and done from when to when, for those who settle
//! accounts.

use serde::{Deserialize, Serialize};

use super::{AppUsageId, OrgId, SpaceId, Timestamp};

/// A value and the one before it, where there was one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step<T> {
    /// The value now.
    pub current: T,
    /// The value before.
    pub previous: Option<T>,
}

impl<T> Step<T> {
    /// A value that had none before it.
    pub const fn first(current: T) -> Self {
        Self {
            current,
            previous: None,
        }
    }
}

/// Something by its guid and its name, as they were: an event outlives what it tells of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its guid.
    pub guid: String,
    /// Its name, or a process's type.
    pub name: String,
}

/// One change of what an app uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppUsage {
    /// Identity.
    pub id: AppUsageId,
    /// Its place among all: a later event has a larger number.
    pub order: u64,
    /// `STARTED`, `STOPPED`, `STAGING_STARTED`, `STAGING_STOPPED`, `BUILDPACK_SET`,
    /// `TASK_STARTED` or `TASK_STOPPED`.
    pub state: Step<String>,
    /// The app.
    pub app: Named,
    /// The process, where it tells of one.
    pub process: Option<Named>,
    /// The task, where it tells of one.
    pub task: Option<Named>,
    /// What a build was made with, where it tells of that.
    pub buildpack: Option<String>,
    /// The app's space.
    pub space: (SpaceId, String),
    /// The space's organization.
    pub org: OrgId,
    /// Mebibytes of an instance.
    pub memory: Step<u32>,
    /// How many instances.
    pub instances: Step<u32>,
    /// When.
    pub created_at: Timestamp,
}
