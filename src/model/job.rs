//! Asynchronous jobs of the API.

use serde::{Deserialize, Serialize};

use super::{JobId, Timestamp};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobState {
    /// At work.
    Processing,
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
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
