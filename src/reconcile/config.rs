//! What the reconciler is told once.

use std::time::Duration;

use crate::{drivers::GRACE, model::Megabytes};

/// What the reconciler is told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Memory of all instances together.
    pub memory: Megabytes,
    /// Instances that may be starting at one time.
    pub starting: usize,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
    /// Builds that run at one time.
    pub builds: usize,
    /// Memory of a build that does not say, for `MEMORY_LIMIT`.
    pub build_memory: Megabytes,
    /// Packages and droplets that are kept of an app beside the current droplet.
    pub keep: usize,
}

impl Config {
    /// The usual values for a machine with this many processors and this much memory for apps.
    #[must_use]
    pub fn for_machine(processors: usize, memory: Megabytes) -> Self {
        Self {
            memory,
            // A start is mostly work for a processor; with many more than this all of them
            // miss their start timeout instead of few.
            starting: processors.saturating_mul(4).max(8),
            grace: GRACE,
            builds: processors.max(1),
            build_memory: Megabytes(1024),
            // Cloud Foundry's default.
            keep: 5,
        }
    }
}
