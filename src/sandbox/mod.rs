//! The wall around an app or a build: namespaces, a composed root, limits, a system-call list.
//!
//! The daemon writes a [`Spec`] into an instance's folder and starts a *shim* ([`spawn`]); the
//! shim outlives the daemon and owns the sandbox; *init* is the first process inside. A later
//! daemon finds the folder and takes the instance over ([`adopt`]).

pub mod log;
mod spec;

pub use spec::{Bind, Ids, Limits, Network, RANGE, SPEC_VERSION, Spec, VCAP};

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::model::Exit;

/// Where a sandbox stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// The shim is setting it up.
    Preparing,
    /// The command runs; `pid` as the host sees it.
    Running {
        /// Process id of the command on the host.
        pid: i32,
    },
    /// It has ended and everything of it is gone but its folder.
    Ended(Exit),
}

/// Why the sandbox could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A step on the host's side failed.
    #[error("cannot {what}")]
    Io {
        /// The step.
        what: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The sandbox is not running.
    #[error("the sandbox is not running")]
    NotRunning,
}

/// What a sandbox uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time since its start.
    pub cpu: Duration,
    /// Memory in bytes, page cache that can be reclaimed left out.
    pub memory: u64,
    /// Processes and threads.
    pub pids: u64,
}

/// A handle on one sandbox; clones share it. Dropping it does not stop the sandbox.
#[derive(Debug, Clone)]
pub struct Sandbox {
    dir: PathBuf,
}

/// Starts the sandbox that `spec` describes and returns as soon as its shim runs.
///
/// # Errors
/// Where the shim could not be started. What fails later is told by [`Sandbox::status`] as
/// [`Exit::NotStarted`].
#[expect(clippy::unused_async, reason = "the interface")]
pub async fn spawn(spec: &Spec) -> Result<Sandbox, SandboxError> {
    let _ = &spec.dir;
    Err(SandboxError::NotRunning)
}

/// Takes over the sandbox whose folder is `dir`, whatever state it is in: one whose shim has
/// vanished is cleaned up and reports [`Exit::Lost`].
///
/// # Errors
/// Where the folder holds no sandbox of a version that is known.
#[expect(clippy::unused_async, reason = "the interface")]
pub async fn adopt(dir: &Path) -> Result<Sandbox, SandboxError> {
    let _ = dir;
    Err(SandboxError::NotRunning)
}

/// Takes over every sandbox whose folder is directly in `root`, as [`adopt`] does, all at once.
/// Folders that hold no sandbox come with their error.
///
/// # Errors
/// Where `root` cannot be listed; a `root` that does not exist has no sandboxes.
#[expect(clippy::unused_async, reason = "the interface")]
pub async fn adopt_all(
    root: &Path,
) -> std::io::Result<Vec<(PathBuf, Result<Sandbox, SandboxError>)>> {
    let _ = root;
    Ok(Vec::new())
}

/// Opens a TCP connection to `127.0.0.1:port` inside the sandbox whose folder is `dir`.
///
/// # Errors
/// What `connect(2)` said inside, or that the sandbox is gone.
#[expect(clippy::unused_async, reason = "the interface")]
pub async fn dial(dir: &Path, port: u16) -> std::io::Result<tokio::net::TcpStream> {
    let _ = (dir, port);
    Err(std::io::ErrorKind::NotConnected.into())
}

impl Sandbox {
    /// The instance's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Tells where the sandbox stands, and wakes when that changes.
    #[must_use]
    pub fn status(&self) -> tokio::sync::watch::Receiver<Status> {
        tokio::sync::watch::channel(Status::Preparing).1
    }

    /// Asks the command to stop with SIGTERM, and kills everything inside after `grace`.
    /// Returns at once; [`Sandbox::status`] tells the end. A second call can only shorten.
    pub fn stop(&self, grace: Duration) {
        let _ = grace;
    }

    /// How far its log is written: wakes when there is more for a [`log::Reader`] whose
    /// [`offset`](log::Reader::offset) is below. After the end of the sandbox it holds the
    /// offset after the last line.
    #[must_use]
    pub fn logged(&self) -> tokio::sync::watch::Receiver<u64> {
        tokio::sync::watch::channel(0).1
    }

    /// A reader of its log from `offset` on: 0, or where an earlier reader stopped. It blocks
    /// on the disk, and stays usable after the sandbox has ended, until [`Sandbox::remove`].
    ///
    /// # Errors
    /// Where the log is there but cannot be read.
    pub fn log(&self, offset: u64) -> std::io::Result<log::Reader> {
        log::Reader::open(&self.dir, offset)
    }

    /// What it uses now.
    ///
    /// # Errors
    /// Where there is no cgroup to ask.
    pub fn usage(&self) -> std::io::Result<Usage> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Removes what an ended sandbox left behind: cgroup, mounts, folder.
    ///
    /// # Errors
    /// Where it has not ended, or something could not be removed.
    #[expect(clippy::unused_async, reason = "the interface")]
    pub async fn remove(self) -> Result<(), SandboxError> {
        Ok(())
    }
}
