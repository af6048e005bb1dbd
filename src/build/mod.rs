//! Staging: a package becomes a droplet inside a sandbox.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use tokio::sync::watch;

use crate::{
    blobs::Blobs,
    logs::Logs,
    model::{
        App, BuildId, DropletBuildpack, DropletId, DropletKind, Failure, Lifecycle, Megabytes,
        ProcessType,
    },
    runtimes::Catalog,
    sandbox::Ids,
};

/// How builds are run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of running builds and of the caches.
    pub dir: PathBuf,
    /// Memory where neither the request nor the runtime says.
    pub memory: Megabytes,
    /// How long a build may take.
    pub timeout: std::time::Duration,
    /// Environment for every build (package registries, proxies).
    pub env: BTreeMap<String, String>,
}

/// One staging.
#[derive(Debug, Clone)]
pub struct Request {
    /// The build.
    pub build: BuildId,
    /// The droplet it becomes.
    pub droplet: DropletId,
    /// The app.
    pub app: Arc<App>,
    /// Digest of the package's archive.
    pub package_sha256: String,
    /// How to stage.
    pub lifecycle: Lifecycle,
    /// Memory of the build, where the request says.
    pub memory: Option<Megabytes>,
    /// `VCAP_APPLICATION` and what else the platform sets; the user's variables are the app's.
    pub env: BTreeMap<String, String>,
    /// Who the build is on the host.
    pub ids: Ids,
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
    /// Runtimes that had a part.
    pub buildpacks: Vec<DropletBuildpack>,
    /// The stack.
    pub stack: String,
}

/// Runs builds; clones share it.
#[derive(Debug, Clone)]
pub struct Builder {
    config: Arc<Config>,
    blobs: Blobs,
    logs: Logs,
    runtimes: watch::Receiver<Arc<Catalog>>,
}

impl Builder {
    /// A builder; removes what builds of a predecessor left behind.
    #[must_use]
    pub fn new(
        config: Config,
        blobs: Blobs,
        logs: Logs,
        runtimes: watch::Receiver<Arc<Catalog>>,
    ) -> Self {
        Self {
            config: Arc::new(config),
            blobs,
            logs,
            runtimes,
        }
    }

    /// Stages a package. Its output goes to the app's log as `STG` lines while it happens.
    /// Dropping the future kills the build and leaves nothing behind.
    ///
    /// # Errors
    /// Words for the user: which step failed, which command, its last lines, what to do.
    #[expect(clippy::unused_async, reason = "the interface")]
    pub async fn stage(&self, request: Request) -> Result<Staged, Failure> {
        let _ = (
            &self.config,
            &self.blobs,
            &self.logs,
            &self.runtimes,
            request,
        );
        Err(Failure {
            id: "StagingError".to_owned(),
            detail: "to come".to_owned(),
        })
    }
}
