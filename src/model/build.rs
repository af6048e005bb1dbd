//! Builds: the staging of a package into a droplet.

use serde::{Deserialize, Serialize};

use super::{
    Actor, AppId, BuildId, DropletId, Lifecycle, Megabytes, Metadata, PackageId, Timestamp,
};

/// Why a build failed: Cloud Foundry's error name, and words for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Cloud Foundry's name, such as `NoAppDetectedError` or `BuildpackCompileFailed`.
    pub id: String,
    /// What happened and what to do.
    pub detail: String,
}

/// Where a build stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum BuildState {
    /// Waiting or running.
    Staging,
    /// Done.
    Staged {
        /// What came of it.
        droplet: DropletId,
    },
    /// Ended without a droplet.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// One staging of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Identity.
    pub id: BuildId,
    /// The app.
    pub app: AppId,
    /// What is staged.
    pub package: PackageId,
    /// Where it stands.
    pub state: BuildState,
    /// How to stage.
    pub lifecycle: Lifecycle,
    /// Memory of the build; none for the platform's default.
    pub memory: Option<Megabytes>,
    /// Who asked for it.
    pub created_by: Actor,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
