//! What is staged and what came of it.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

use super::{Classic, Room};
use crate::{
    certs::Bearer,
    model::{
        App, BuildId, DropletBuildpack, DropletId, DropletKind, Image, ImageSource, Launch,
        Lifecycle, Megabytes, NetworkPolicy, ProcessType,
    },
    sandbox::{Files, Ids},
};

/// What is staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An archive in the blob store.
    Bits {
        /// Its digest.
        sha256: String,
    },
    /// An image in its registry.
    Image(ImageSource),
}

/// One staging.
#[derive(Clone)]
pub struct Request {
    /// The build.
    pub build: BuildId,
    /// The droplet it becomes.
    pub droplet: DropletId,
    /// The app.
    pub app: Arc<App>,
    /// Whose the app is.
    pub bearer: Bearer,
    /// What is staged.
    pub source: Source,
    /// How to stage.
    pub lifecycle: Lifecycle,
    /// The operator's buildpacks for the stack, in the order in which they are asked.
    pub classic: Vec<Classic>,
    /// Disk of the app's largest instance, for which an image counts.
    pub disk: Megabytes,
    /// Memory of the build, where the request says.
    pub memory: Option<Megabytes>,
    /// `VCAP_APPLICATION` and what else the platform sets; the user's variables are the app's.
    pub env: BTreeMap<String, String>,
    /// Whether the app's web process has a start command of its own, so that none has to be
    /// found in the package.
    pub own_command: bool,
    /// What the app is bound to, where that is told in files.
    pub files: Option<Files>,
    /// What the build may reach, also when that changes while it runs.
    pub network: watch::Receiver<NetworkPolicy>,
    /// Where its memory is from.
    pub room: Room,
    /// Who the build is on the host.
    pub ids: Ids,
}

// The environment often holds secrets.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("build", &self.build)
            .field("droplet", &self.droplet)
            .field("app", &self.app)
            .field("source", &self.source)
            .field("lifecycle", &self.lifecycle)
            .field("memory", &self.memory)
            .field("own_command", &self.own_command)
            .field("ids", &self.ids)
            .finish_non_exhaustive()
    }
}

/// What came of a staging; the tree and the archive are in the blob store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// Digest of the droplet's archive.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
    /// What runs it.
    pub kind: DropletKind,
    /// Start commands.
    pub process_types: BTreeMap<ProcessType, String>,
    /// Environment that the runtime sets.
    pub env: BTreeMap<String, String>,
    /// For a static droplet, the served folder relative to the app.
    pub static_root: String,
    /// The image whose root it runs in.
    pub image: Option<Image>,
    /// Of an image that is the app itself, how it is run.
    pub launch: Option<Launch>,
    /// Runtimes that had a part.
    pub buildpacks: Vec<DropletBuildpack>,
    /// The stack.
    pub stack: String,
}
