//! Where a sandbox stands: as handles tell it and as its folder keeps it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{Quota, cgroup::Group};
use crate::model::Exit;

/// The version of the status file and of the protocols that this binary speaks.
pub(super) const VERSION: u32 = 1;

/// The name of the status file.
pub(super) const FILE: &str = "status.json";

/// Where a sandbox stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
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
        source: io::Error,
    },
    /// The shim gave up before it had its control socket.
    #[error("the sandbox's shim did not start: {reason}")]
    Shim {
        /// What the shim said.
        reason: String,
    },
    /// The folder holds no sandbox.
    #[error("{} holds no sandbox", dir.display())]
    NoSandbox {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder was written by a version of the platform that this one does not know.
    #[error("the sandbox in {} is of version {version}, which this version of the platform does not know", dir.display())]
    Version {
        /// The folder.
        dir: PathBuf,
        /// What it says.
        version: u32,
    },
    /// The sandbox has not ended yet.
    #[error("the sandbox is still running")]
    StillRunning,
    /// The sandbox is not running.
    #[error("the sandbox is not running")]
    NotRunning,
}

/// Names the step that failed.
pub(super) trait Doing<T> {
    /// The error with its step; `what` goes on from "cannot".
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, SandboxError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, SandboxError> {
        self.map_err(|source| SandboxError::Io {
            what: what(),
            source: source.into(),
        })
    }
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

/// What went through a sandbox's way out ([`Network::Tunnel`](super::Network::Tunnel)), without
/// the headers of packets and the platform's own answers about names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that came in.
    pub received: u64,
    /// Bytes that went out.
    pub sent: u64,
    /// Connections of every protocol.
    pub connections: u64,
}

/// A process that can be told from a later one with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) pid: i32,
    /// When it started, in the kernel's ticks since boot.
    started: u64,
}

impl Process {
    /// The process that has `pid` now and has not ended.
    pub(super) fn find(pid: i32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold anything; field 22 counts from behind it.
        let after = stat
            .rsplit_once(") ")
            .map(|(_, after)| after)
            .unwrap_or_default();
        let mut fields = after.split(' ');
        // What has ended and is not collected is as good as gone.
        if matches!(fields.next(), Some("Z" | "X")) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let started = fields.nth(18).and_then(|ticks| ticks.parse().ok());
        started
            .map(|started| Self { pid, started })
            .ok_or(io::ErrorKind::InvalidData.into())
    }

    /// Whether it is still there.
    pub(super) fn lives(&self) -> bool {
        Self::find(self.pid).is_ok_and(|now| now == *self)
    }
}

/// What the status file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) version: u32,
    pub(super) shim: Process,
    pub(super) init: Option<Process>,
    pub(super) group: Option<Group>,
    /// How much it may write.
    #[serde(default)]
    pub(super) disk: Option<KeptDisk>,
    /// Limits and walls that this host cannot provide, each with its reason.
    pub(super) weaker: Vec<String>,
    pub(super) status: Status,
}

/// What the status file says of the sandbox's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptDisk {
    pub(super) quota: Quota,
    /// Whether it is a file system of its own.
    pub(super) image: bool,
}

impl Kept {
    /// Replaces the file in `dir` as a whole.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let fresh = dir.join("status.new");
        fs::write(&fresh, serde_json::to_vec(self)?)?;
        fs::rename(&fresh, dir.join(FILE))
    }

    /// The file in `dir`; none where there is none.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, SandboxError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let path = dir.join(FILE);
        let what = || format!("read {}", path.display());
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).doing(what),
        };
        let Versioned { version } = serde_json::from_slice(&text).doing(what)?;
        if version != VERSION {
            return Err(SandboxError::Version {
                dir: dir.to_owned(),
                version,
            });
        }
        serde_json::from_slice(&text).map(Some).doing(what)
    }
}
