//! What the reconciler asks for.

use std::{fmt, sync::Arc};

use super::{Slot, Version};
use crate::model::{App, Droplet, InstanceId, NetworkPolicy, Process};

/// An instance to start.
#[derive(Clone)]
pub struct Order {
    /// Where.
    pub slot: Slot,
    /// Its identity.
    pub instance: InstanceId,
    /// From what.
    pub version: Version,
    /// Crashes in a row before it.
    pub crashes: u32,
    /// The app.
    pub app: Arc<App>,
    /// The process.
    pub process: Arc<Process>,
    /// The droplet.
    pub droplet: Arc<Droplet>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// What it may reach at first.
    pub network: NetworkPolicy,
}

// The environment often holds secrets.
impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("slot", &self.slot)
            .field("instance", &self.instance)
            .field("version", &self.version)
            .field("crashes", &self.crashes)
            .finish_non_exhaustive()
    }
}
