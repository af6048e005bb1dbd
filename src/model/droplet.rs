//! Droplets: what a build makes and an instance runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    AppId, BuildId, DropletId, Image, Launch, LayerId, Metadata, PackageId, ProcessType, Timestamp,
};

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
    /// An image, in the process sandbox: its root is the app's root.
    Image,
    /// What Cloud Native Buildpacks have built, in the process sandbox: their launcher starts it.
    Cnb,
}

/// Where a droplet stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DropletState {
    /// Its bits are to be uploaded.
    AwaitingUpload,
    /// What was uploaded is of no use.
    Failed {
        /// Why, for the user.
        error: String,
    },
    /// Runnable; kept under `sha256` (hexadecimal).
    Staged {
        /// Digest of the stored archive; of an image, that of its manifest.
        sha256: String,
        /// Length of the stored archive in bytes; of an image, that of its layers.
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
    /// The image whose root it runs in; none for the host's programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// Of an image that is the app itself, how it is run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<Launch>,
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

/// The port on which an app has to listen where its image exposes none.
pub const APP_PORT: u16 = 8080;

impl Droplet {
    /// The port on which the app has to listen.
    #[must_use]
    pub fn port(&self) -> u16 {
        let exposed = self.launch.as_ref().and_then(|launch| launch.ports.first());
        exposed.copied().unwrap_or(APP_PORT)
    }

    /// The layers of the root that it runs in.
    #[must_use]
    pub fn layers(&self) -> &[LayerId] {
        self.image.as_ref().map_or(&[], |image| &image.layers)
    }
}
