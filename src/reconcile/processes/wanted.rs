//! Desired state as the plan sees it.

use std::time::Duration;

use crate::{
    drivers::Version,
    model::{AppState, DropletKind, DropletState, Process, ProcessId},
    store::State,
};

/// How long an instance may take until its first success where the process does not say.
pub const START_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest that a process may ask for.
pub const LONGEST_START_TIMEOUT: Duration = Duration::from_secs(180);

/// A process that should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The process.
    pub process: ProcessId,
    /// How many instances.
    pub instances: u32,
    /// From what.
    pub version: Version,
    /// What one instance takes from the machine's budget, in mebibytes; 0 for files that the
    /// gateway serves itself.
    pub memory_mb: u64,
    /// How long an instance may take until its first success.
    pub start_timeout: Duration,
}

/// Every process that should run, in the order of their ids.
#[must_use]
pub fn wanted(state: &State) -> Vec<Wanted> {
    state
        .processes
        .values()
        .filter_map(|process| wanted_of(state, process))
        .collect()
}

fn wanted_of(state: &State, process: &Process) -> Option<Wanted> {
    let app = state.apps.get(&process.app)?;
    if app.state != AppState::Started || process.instances == 0 {
        return None;
    }
    let version = Version::wanted(app, process)?;
    let droplet = state.droplets.get(&version.droplet)?;
    if !matches!(droplet.state, DropletState::Staged { .. }) {
        return None;
    }
    let memory_mb = match droplet.kind {
        DropletKind::Process | DropletKind::Wasm | DropletKind::Image | DropletKind::Cnb => {
            u64::from(process.memory.0)
        }
        DropletKind::Static => 0,
    };
    Some(Wanted {
        process: process.id,
        instances: process.instances,
        version,
        memory_mb,
        start_timeout: start_timeout(process),
    })
}

fn start_timeout(process: &Process) -> Duration {
    process.health.timeout.map_or(START_TIMEOUT, |seconds| {
        Duration::from_secs(u64::from(seconds)).min(LONGEST_START_TIMEOUT)
    })
}
