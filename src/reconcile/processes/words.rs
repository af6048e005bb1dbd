//! What a plan is made of and what it is made from.

use std::{fmt, time::Duration};

use super::wanted::Wanted;
use crate::{
    drivers::{Cause, Phase, Slot, Version},
    model::InstanceId,
};

/// One instance as it was observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which start of the slot it is.
    pub instance: InstanceId,
    /// Where it stands in.
    pub slot: Slot,
    /// What it was started from.
    pub version: Version,
    /// Crashes in a row before it.
    pub crashes: u32,
    /// What it takes from the machine's budget while it lives, in mebibytes.
    pub memory_mb: u64,
    /// Where it stands.
    pub phase: Phase,
    /// Whether its crash is in the audit events.
    pub reported: bool,
}

/// What a plan keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all instances together, in mebibytes.
    pub memory_mb: u64,
    /// Instances that may be starting at one time, so that they do not starve each other.
    pub starting: usize,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Take an instance out of the routes, then ask it to stop.
    Stop {
        /// Which.
        instance: InstanceId,
        /// From SIGTERM to SIGKILL.
        grace: Duration,
        /// What is wrong with it, where it should run.
        cause: Option<Cause>,
    },
    /// Tell of a crash.
    Report {
        /// Whose.
        instance: InstanceId,
    },
    /// Start an instance.
    Start {
        /// Where.
        slot: Slot,
        /// Its identity.
        instance: InstanceId,
        /// From what.
        version: Version,
        /// Crashes in a row before it.
        crashes: u32,
    },
    /// Remove what is left of an ended instance.
    Forget {
        /// Which.
        instance: InstanceId,
    },
}

/// Why a slot that should run has no instance for the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It crashed, and waits until then (steady clock, milliseconds).
    Backoff {
        /// When the next start is due.
        until_ms: u64,
    },
    /// It crashed too often.
    GaveUp,
    /// There is no room for its memory.
    Memory,
    /// Many others are starting.
    Crowd,
}

/// What to do now, and when to look again if nothing happens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In this order.
    pub actions: Vec<Action>,
    /// Slots that have to wait.
    pub held: Vec<(Slot, Hold)>,
    /// When time alone will change the plan (steady clock, milliseconds).
    pub next_wake_ms: Option<u64>,
}

impl Plan {
    /// What the instances that it starts will take, in mebibytes.
    #[must_use]
    pub fn starts(&self, wanted: &[Wanted]) -> u64 {
        let each = self.actions.iter().filter_map(|action| match action {
            Action::Start { slot, .. } => {
                let at = wanted.binary_search_by_key(&slot.process, |wanted| wanted.process);
                at.ok().map(|at| wanted[at].memory_mb)
            }
            _ => None,
        });
        each.sum()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop {
                instance,
                grace,
                cause,
            } => {
                write!(f, "stop {instance} within {} ms", grace.as_millis())?;
                cause
                    .as_ref()
                    .map_or(Ok(()), |cause| write!(f, " ({cause})"))
            }
            Self::Report { instance } => write!(f, "report {instance}"),
            Self::Start {
                slot,
                instance,
                version,
                crashes,
            } => write!(
                f,
                "start {slot} as {instance} from {} ({}.{}) after {crashes} crashes",
                version.droplet, version.app, version.process
            ),
            Self::Forget { instance } => write!(f, "forget {instance}"),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for action in &self.actions {
            writeln!(f, "{action}")?;
        }
        for (slot, hold) in &self.held {
            writeln!(f, "hold {slot}: {hold:?}")?;
        }
        self.next_wake_ms
            .map_or(Ok(()), |at_ms| writeln!(f, "wake at {at_ms} ms"))
    }
}
