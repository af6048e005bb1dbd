//! What was observed of instances. Never stored: at start the drivers adopt what still runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{InstanceId, Megabytes, ProcessId, Timestamp};

/// How an instance ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with an exit code.
    Code {
        /// 0 to 255.
        code: i32,
    },
    /// By a signal that the platform did not send.
    Signal {
        /// The signal's number.
        signal: i32,
    },
    /// The kernel killed it at its memory limit.
    OutOfMemory,
    /// Its disk quota was used up: it ended badly while nothing more could be written, or was
    /// killed for having written more.
    OutOfDisk {
        /// The status as a shell would give it.
        status: i32,
        /// The quota.
        quota: Megabytes,
    },
    /// The platform stopped it.
    Stopped {
        /// Whether it had to be killed because the grace time ran out.
        killed: bool,
    },
    /// It could not be started.
    NotStarted {
        /// Why, for the user.
        reason: String,
    },
    /// Its shim vanished, so how it ended is not known.
    Lost,
}

impl Exit {
    /// How Cloud Foundry words it in logs and events.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Code { code } => format!("Exit status {code}"),
            Self::Signal { signal } => {
                format!("Exit status {} (killed by signal {signal})", 128 + signal)
            }
            Self::OutOfMemory => "Exit status 137 (out of memory)".to_owned(),
            Self::OutOfDisk { status, quota } => {
                format!("Exit status {status} (disk quota of {quota} exceeded)")
            }
            Self::Stopped { killed: true } => {
                "Exit status 137 (exceeded graceful shutdown interval)".to_owned()
            }
            Self::Stopped { killed: false } => "Exit status 0 (stopped)".to_owned(),
            Self::NotStarted { reason } => format!("could not be started: {reason}"),
            Self::Lost => "the instance vanished".to_owned(),
        }
    }

    /// The status as a shell would give it.
    #[must_use]
    pub const fn status(&self) -> i32 {
        match self {
            Self::Code { code: status } | Self::OutOfDisk { status, .. } => *status,
            Self::Signal { signal } => 128 + *signal,
            Self::OutOfMemory | Self::Stopped { killed: true } => 137,
            Self::Stopped { killed: false } => 0,
            Self::NotStarted { .. } | Self::Lost => 255,
        }
    }
}

/// The state of an instance as the API spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum InstanceState {
    /// Started, not yet healthy.
    Starting,
    /// Healthy.
    Running,
    /// Asked to stop.
    Stopping,
    /// Ended by itself; waits for its next start.
    Crashed,
    /// Not there.
    Down,
}

/// What one instance uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time since its start, in nanoseconds.
    pub cpu_ns: u64,
    /// Share of one core over the last sample: 0.5 is half a core.
    pub cpu: f64,
    /// Memory in bytes.
    pub memory: u64,
    /// Disk in bytes.
    pub disk: u64,
    /// Log bytes per second over the last sample.
    pub log_rate: u64,
    /// Bytes that it has received through its way out since its start.
    pub received: u64,
    /// Bytes that it has sent through its way out since its start.
    pub sent: u64,
}

/// One instance slot of a process, as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceView {
    /// Which start of the slot this is; none while it is down.
    pub id: Option<InstanceId>,
    /// The slot's number, from 0.
    pub index: u32,
    /// Where it stands.
    pub state: InstanceState,
    /// Since when it stands there.
    pub since: Timestamp,
    /// Whether requests reach it; none where the process gets none.
    pub routable: Option<bool>,
    /// Why it is as it is, for the user.
    pub details: Option<String>,
    /// What it uses.
    pub usage: Usage,
}

/// Every slot that the reconciler knows, by process, in the order of the index.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// Slots by process.
    pub processes: BTreeMap<ProcessId, Vec<InstanceView>>,
}

/// A user's wish to replace one instance by a fresh one, as it travels to the reconciler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceRestart {
    /// The process.
    pub process: ProcessId,
    /// Which of its slots.
    pub index: u32,
}
