//! What is under way at a broker.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MaintenanceInfo;
use crate::model::{Actor, Credentials, JobId, PlanId, ServiceName, Timestamp};

/// An operation that a broker has to be asked for, or is at. It stands in the record that it is
/// about, next to the operation's kind and outcome, so a daemon that starts goes on with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// Where the outcome is told, if anybody waits for it.
    #[serde(default)]
    pub job: Option<JobId>,
    /// On whose behalf.
    pub by: Actor,
    /// What the user has to tell the broker.
    #[serde(default)]
    pub parameters: Option<Credentials>,
    /// What the audit trail is told of the request.
    #[serde(default)]
    pub told: Value,
    /// What becomes of the instance if the broker agrees.
    #[serde(default)]
    pub change: Option<Change>,
    /// How far it is.
    pub stage: Stage,
}

/// How far an errand is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// The broker has to be asked; whether it was already, nobody knows. That does no harm: a
    /// broker answers the same question twice in the same way (Open Service Broker API,
    /// "Provisioning").
    Ask,
    /// The broker is at it, and is asked from time to time how far it is.
    Poll {
        /// What the broker wants to hear again.
        #[serde(default)]
        operation: Option<String>,
        /// When it is asked next.
        next_at: Timestamp,
        /// When it has failed, whatever it says.
        until: Timestamp,
        /// How often it was asked.
        polls: u32,
    },
}

/// What an instance is changed to; what is none stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The name.
    #[serde(default)]
    pub name: Option<ServiceName>,
    /// Its tags.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    /// The plan.
    #[serde(default)]
    pub plan: Option<PlanId>,
    /// The version of what it is made of.
    #[serde(default)]
    pub maintenance_info: Option<MaintenanceInfo>,
}

impl Errand {
    /// One that has not begun.
    #[must_use]
    pub fn new(job: Option<JobId>, by: Actor) -> Self {
        Self {
            job,
            by,
            parameters: None,
            told: Value::Null,
            change: None,
            stage: Stage::Ask,
        }
    }

    /// Whether the broker is at it.
    #[must_use]
    pub const fn is_polled(&self) -> bool {
        matches!(self.stage, Stage::Poll { .. })
    }
}
