//! The routing table.

use std::{path::PathBuf, sync::Arc};

use crate::model::{AppId, AppProtocol, InstanceId, RouteId, SpaceId};

/// Routes by host and path.
#[derive(Debug, Default)]
pub struct RouteTable {
    /// Every route, in no particular order; lookups go through an index made of them.
    pub entries: Vec<Arc<Entry>>,
}

/// One route and the instances that can serve it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The route.
    pub route: RouteId,
    /// Host name in lower case without a port; `*.domain` for a wildcard.
    pub host: String,
    /// Path prefix; empty for all.
    pub path: String,
    /// Instances that take requests now; none where all are down.
    pub backends: Vec<Arc<Backend>>,
}

/// One instance that takes requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The app, for access lines and `X-CF-ApplicationID`.
    pub app: AppId,
    /// The app's space.
    pub space: SpaceId,
    /// Which start of the slot it is.
    pub instance: InstanceId,
    /// The slot's number.
    pub index: u32,
    /// Share among the route's destinations, 1 to 100; none for equal.
    pub weight: Option<u8>,
    /// How to reach it.
    pub target: Target,
}

/// How to reach a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A sandbox: its folder (see `sandbox::dial`) and the port inside.
    Sandbox {
        /// The instance's folder.
        dir: PathBuf,
        /// The port that the app listens on.
        port: u16,
        /// How to speak to it.
        protocol: AppProtocol,
    },
    /// Files that the gateway serves itself.
    Static {
        /// The served folder.
        root: PathBuf,
    },
}
