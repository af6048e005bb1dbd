//! The routing table.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use http::Uri;

use super::{AddressError, InstanceAddress, index::Index};
use crate::model::{
    AppId, AppProtocol, InstanceId, ProcessId, ProcessType, RouteId, Site, SpaceId,
};

/// Routes by host and path.
#[derive(Debug, Default)]
pub struct RouteTable {
    entries: Vec<Arc<Entry>>,
    index: Index,
}

impl RouteTable {
    /// The table of these routes. Where two have the same host and path, the first one counts.
    #[must_use]
    pub fn new(entries: Vec<Arc<Entry>>) -> Self {
        let index = Index::of(&entries);
        Self { entries, index }
    }

    /// Every route, in the order in which they were given.
    #[must_use]
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// The route for a request's host and path: the exact host before a wildcard, a longer
    /// wildcard before a shorter one, then the longest path prefix on segment borders.
    ///
    /// `host` may have a port and a trailing dot, in any case; `path` is without a query.
    /// Does not allocate.
    #[must_use]
    pub fn lookup(&self, host: &str, path: &str) -> Option<&Arc<Entry>> {
        self.index.lookup(host, path).map(|at| &self.entries[at])
    }

    /// The TCP route of a port.
    #[must_use]
    pub fn port(&self, port: u16) -> Option<&Arc<Entry>> {
        self.index.port(port).map(|at| &self.entries[at])
    }

    /// The ports of all TCP routes.
    pub fn ports(&self) -> impl Iterator<Item = u16> + '_ {
        self.entries.iter().filter_map(|entry| entry.port)
    }
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
    /// The port of a TCP route, which no request is for.
    pub port: Option<u16>,
    /// What its requests go through on their way to an app.
    pub service: Option<RouteService>,
    /// How one of its instances is chosen.
    pub balance: Balance,
    /// Instances that take requests now; none where all are down.
    pub backends: Vec<Arc<Backend>>,
}

impl Entry {
    /// The backend that `X-Cf-App-Instance` names.
    ///
    /// # Errors
    /// [`AddressError::Unknown`] where the route has no such instance.
    pub fn addressed(&self, address: InstanceAddress) -> Result<&Arc<Backend>, AddressError> {
        self.backends
            .iter()
            .find(|backend| backend.app == address.app && backend.index == address.index)
            .ok_or(AddressError::Unknown(address))
    }

    /// The backend of a sticky session, while that instance takes requests.
    #[must_use]
    pub fn instance(&self, id: InstanceId) -> Option<&Arc<Backend>> {
        self.backends.iter().find(|backend| backend.instance == id)
    }
}

/// How one of a route's instances is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Balance {
    /// In turn.
    #[default]
    RoundRobin,
    /// The one with the fewest requests.
    LeastConnections,
}

/// Requests that an instance has now, over all threads; counted where its route chooses by it.
/// Not part of what a backend is, so any two are equal.
#[derive(Debug, Default)]
pub struct Load(AtomicU32);

impl Load {
    /// A request begins.
    pub fn begin(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// A request that began has ended.
    pub fn end(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// How many there are.
    #[must_use]
    pub fn now(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

impl Clone for Load {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Load {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Load {}

/// A service that requests go through on their way to an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteService {
    /// Where it is; none where what was told of it is no URL, so that nothing gets past it.
    pub url: Option<Uri>,
    /// Whether an admin stands behind the address, so that it may be one of a private network.
    pub vouched: bool,
}

/// One instance that takes requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The app, for access lines and `X-CF-ApplicationID`.
    pub app: AppId,
    /// The app's space.
    pub space: SpaceId,
    /// The process and its type.
    pub process: (ProcessId, ProcessType),
    /// Which start of the slot it is.
    pub instance: InstanceId,
    /// The slot's number.
    pub index: u32,
    /// Share among the route's destinations, 1 to 100; none for equal.
    pub weight: Option<u8>,
    /// What it has to do.
    pub load: Load,
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
        /// How it is served.
        site: Arc<Site>,
    },
}
