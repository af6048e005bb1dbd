//! Asynchronous jobs of the API.

use serde::{Deserialize, Serialize};

use super::{
    Actor, AppId, BindingId, DomainId, JobId, OrgId, RouteId, ServiceId, SpaceId, Timestamp,
};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobState {
    /// At work.
    Processing,
    /// Waits for somebody else, such as a service broker.
    Polling,
    /// Done.
    Complete,
    /// Ended with at least one error.
    Failed,
}

/// An error as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// Cloud Foundry's number.
    pub code: u32,
    /// Cloud Foundry's name, with `CF-`.
    pub title: String,
    /// For people.
    pub detail: String,
}

/// Work that goes on after its request was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Identity.
    pub id: JobId,
    /// Such as `app.delete`.
    pub operation: String,
    /// Where it stands.
    pub state: JobState,
    /// What went wrong; at least one where it failed.
    pub errors: Vec<JobError>,
    /// What the user should know all the same.
    pub warnings: Vec<String>,
    /// What it is about: the last part of the path of its list, such as `service_instances`, and
    /// its guid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<(String, String)>,
    /// What is left to do, where that is not in the record that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What has to wait for brokers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    /// A deletion waits until brokers have deleted what belongs to it.
    Delete {
        /// What shall go.
        doomed: Doomed,
        /// Who wants it.
        by: Actor,
    },
    /// Something is done when these bindings are.
    Bind {
        /// The bindings.
        bindings: Vec<BindingId>,
    },
}

/// What shall go with all that is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Doomed {
    /// An app.
    App(AppId),
    /// A space.
    Space(SpaceId),
    /// An organization.
    Org(OrgId),
    /// A route.
    Route(RouteId),
    /// A domain with its routes.
    Domain(DomainId),
    /// What a service instance is shared with.
    Share(ServiceId, SpaceId),
}

impl Job {
    /// Ends it with an error.
    pub fn fail(&mut self, error: JobError, now: Timestamp) {
        self.state = JobState::Failed;
        self.errors.push(error);
        self.updated_at = now;
    }
}

impl JobState {
    /// Whether nothing more comes of it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Failed)
    }
}
