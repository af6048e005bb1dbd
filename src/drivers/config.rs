//! What drivers are told once.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    certs::InstanceAuthority,
    model::App,
    sandbox::{Ceiling, Disks, Ids, VCAP},
};

/// Open files of one process, as Cloud Foundry sets it.
pub(super) const FILES: u64 = 16_384;

/// Who apps are on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// Everything runs as the user who runs the platform.
    Own,
    /// Each app has a range of ids of its own.
    Ranges,
}

impl Identity {
    /// Who `app` is on the host; none where it needs a range and has none yet.
    #[must_use]
    pub fn of(self, app: &App) -> Option<Ids> {
        match self {
            Self::Own => Some(Ids::Own),
            Self::Ranges => app.uid_range.map(|first| Ids::Range { first }),
        }
    }
}

/// The host id that owns what an app's processes read and write; none for the platform's own.
#[must_use]
pub const fn owner(ids: Ids) -> Option<u32> {
    match ids {
        Ids::Own => None,
        Ids::Range { first } => Some(first + VCAP),
    }
}

/// What apps are told of the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// The address of the control API, for `cf_api`.
    pub api_url: String,
    /// The host's address, for `CF_INSTANCE_IP`.
    pub address: String,
    /// The name of this machine in log lines and events.
    pub cell: String,
    /// The stack, for `CF_STACK`.
    pub stack: String,
}

/// What drivers are told once.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder of the instances.
    pub dir: PathBuf,
    /// Who apps are on the host.
    pub identity: Identity,
    /// The platform's own program, for the Wasm host.
    pub program: PathBuf,
    /// What apps are told.
    pub platform: Platform,
    /// Vouches for instances; none where they get no certificates.
    pub authority: Option<Arc<InstanceAuthority>>,
    /// Makes the instances' disks.
    pub disks: Disks,
    /// What one instance may read and write in a second.
    pub io_ceiling: Ceiling,
    /// Processes and threads of one instance.
    pub pids: u32,
    /// Processors that an instance is entitled to for each gibibyte of its memory.
    pub cores_per_gigabyte: f64,
    /// Bytes of an instance's own log files: what is kept while no daemon runs.
    pub log_bytes: u64,
    /// How long an instance that shall stop is left alone for the sake of requests that it is
    /// answering.
    pub drain: Duration,
}
