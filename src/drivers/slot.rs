//! Which instance of what an instance is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{App, DropletId, Process, ProcessId};

/// One of a process's places for an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    /// The process.
    pub process: ProcessId,
    /// The place's number, from 0.
    pub index: u32,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.process, self.index)
    }
}

/// What an instance was started from. An instance of another version than the wanted one is
/// replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The app's generation.
    pub app: u64,
    /// The process's generation.
    pub process: u64,
    /// The droplet.
    pub droplet: DropletId,
}

impl Version {
    /// The version that `process` of `app` should run, where the app has a droplet.
    #[must_use]
    pub fn wanted(app: &App, process: &Process) -> Option<Self> {
        let (generation, droplet) = match &process.pin {
            Some(pin) => (pin.generation, pin.droplet),
            None => (app.generation, app.current_droplet?),
        };
        Some(Self {
            app: generation,
            process: process.generation,
            droplet,
        })
    }
}
