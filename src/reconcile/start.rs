//! Starting the loops.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};

use super::{
    Config, builds, cleanup, deployments, driver::Driver, handle::Handle, network, routes::Routes,
    services,
};
use crate::{
    blobs::Blobs,
    brokers::Brokers,
    build::{Builder, Room},
    drivers::Drivers,
    logs::Logs,
    model::Observed,
    routing::RouteTable,
    stdx::{clock::Clock, tasks::Tasks},
    store::Store,
};

/// Requests that may wait; each takes microseconds.
const COMMANDS: usize = 64;

/// What the reconciler works with.
#[derive(Debug, Clone)]
pub struct Deps {
    /// Desired state.
    pub store: Store,
    /// The instances; not adopted yet.
    pub drivers: Drivers,
    /// Runs builds.
    pub builder: Builder,
    /// Talks to service brokers.
    pub brokers: Brokers,
    /// Packages and droplets.
    pub blobs: Blobs,
    /// Logs of apps.
    pub logs: Logs,
    /// Where the gateway finds the newest routing table.
    pub table: Arc<ArcSwap<RouteTable>>,
    /// Told of each new table.
    pub tabled: watch::Sender<()>,
    /// Tells the time.
    pub clock: Clock,
    /// What it is told once.
    pub config: Config,
    /// Most bytes a second of one app's way out, each way; none for no limit.
    pub bandwidth: watch::Receiver<Option<u64>>,
}

/// Makes what runs be what should run.
#[derive(Debug)]
pub struct Reconciler;

impl Reconciler {
    /// Starts the loops: takes over what a daemon before this one started, publishes the routes
    /// to it, and goes on from there. The receiver first changes after the first pass, when the
    /// routes are there.
    #[must_use]
    pub fn start(deps: Deps) -> (Handle, watch::Receiver<Arc<Observed>>) {
        let tasks = Tasks::new();
        let config = Arc::new(deps.config.clone());
        let (commands, asked) = mpsc::channel(COMMANDS);
        let (observed, seen) = watch::channel(Arc::default());
        let room = Room::of(config.memory);
        let driver = Driver {
            store: deps.store.clone(),
            drivers: deps.drivers.clone(),
            routes: Routes::new(Arc::clone(&deps.table), deps.tabled.clone()),
            clock: deps.clock.clone(),
            config: Arc::clone(&config),
            observed,
            room: room.clone(),
            bandwidth: deps.bandwidth.clone(),
            first: true,
        };
        tasks.spawn("processes", driver.run(asked));
        tasks.spawn(
            "builds",
            builds::run(deps.clone(), Arc::clone(&config), room),
        );
        tasks.spawn("network", network::run(deps.clone()));
        tasks.spawn("services", services::run(deps.clone()));
        tasks.spawn("deployments", deployments::run(deps.clone(), seen.clone()));
        let drivers = deps.drivers.clone();
        tasks.spawn("cleanup", cleanup::run(deps, config));
        (
            Handle {
                commands,
                tasks,
                drivers,
            },
            seen,
        )
    }
}
