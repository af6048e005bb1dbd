//! Droplets: what a build makes and an instance runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AppId, BuildId, DropletId, Metadata, PackageId, ProcessType, Timestamp};

/// What runs a droplet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropletKind {
    /// Commands in the process sandbox.
    Process,
    /// Files that the gateway serves itself.
    Static,
    /// A component in the Wasm host, in the process sandbox.
    Wasm,
}

/// Where a droplet stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DropletState {
    /// Runnable; kept under `sha256` (hexadecimal).
    Staged {
        /// Digest of the stored archive.
        sha256: String,
        /// Length of the stored archive in bytes.
        size: u64,
    },
    /// The bits were removed because newer ones are kept.
    Expired,
}

/// A runtime that had a part in a droplet, under its Cloud Foundry name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropletBuildpack {
    /// The buildpack's name, such as `python_buildpack`.
    pub name: String,
    /// What was recognised, for people: `Python 3.11`.
    pub detect_output: String,
    /// Version of the toolchain, where known.
    pub version: Option<String>,
}

/// A staged, runnable artefact of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Droplet {
    /// Identity.
    pub id: DropletId,
    /// The app.
    pub app: AppId,
    /// What it was made of; none for an uploaded droplet.
    pub package: Option<PackageId>,
    /// The build that made it; none for an uploaded droplet.
    pub build: Option<BuildId>,
    /// Where it stands.
    pub state: DropletState,
    /// What runs it.
    pub kind: DropletKind,
    /// Start command by process type.
    pub process_types: BTreeMap<ProcessType, String>,
    /// Environment that the runtime sets for every process; the user's wins.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// For a static droplet, the served folder relative to the app; empty for the app itself.
    #[serde(default)]
    pub static_root: String,
    /// Runtimes that had a part in it.
    pub buildpacks: Vec<DropletBuildpack>,
    /// The stack it was built for.
    pub stack: String,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
