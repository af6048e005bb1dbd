//! A runtime for tests: its world lives on when the drivers are gone, as sandboxes do.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::{self, BoxFuture};
use tokio::sync::watch;

use super::{
    Config, Drivers, Identity, Order, Platform,
    record::Record,
    runtime::{Backend, Running, Runtime},
};
use crate::{
    logs::Logs,
    model::{Exit, InstanceId, NetworkPolicy},
    sandbox::{Ceiling, SandboxError, Status, Usage, log},
    stdx::clock::Clock,
};

/// What runs, whoever started it.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    running: Arc<Mutex<HashMap<InstanceId, watch::Sender<Status>>>>,
    /// What each was told last that it may reach, and how often it was told something.
    pub(crate) told: Arc<Mutex<HashMap<InstanceId, (NetworkPolicy, usize)>>>,
    /// What the next starts fail with.
    pub(crate) refuse: Arc<Mutex<Option<String>>>,
}

impl World {
    pub(crate) fn drivers(&self, dir: &Path) -> Drivers {
        let config = Config {
            dir: dir.to_owned(),
            identity: Identity::Own,
            program: PathBuf::new(),
            platform: platform(),
            authority: None,
            disks: crate::sandbox::Disks::of_folders("nothing is written"),
            pids: 10,
            io_ceiling: Ceiling::default(),
            cores_per_gigabyte: 1.0,
            log_bytes: 1 << 20,
            drain: Duration::from_millis(200),
        };
        let both = || Box::new(self.clone());
        Drivers::with_runtimes(
            Arc::new(config),
            Logs::default(),
            Clock::system(),
            both(),
            both(),
        )
    }

    /// How many instances live.
    pub(crate) fn live(&self) -> usize {
        let running = self.running.lock().unwrap();
        running
            .values()
            .filter(|status| !matches!(*status.borrow(), Status::Ended(_)))
            .count()
    }

    /// Ends an instance.
    pub(crate) fn end(&self, instance: InstanceId, exit: Exit) {
        self.running.lock().unwrap()[&instance].send_replace(Status::Ended(exit));
    }

    /// Ends all instances.
    pub(crate) fn end_all(&self, exit: &Exit) {
        for status in self.running.lock().unwrap().values() {
            status.send_replace(Status::Ended(exit.clone()));
        }
    }

    fn find(&self, instance: InstanceId) -> Option<Arc<dyn Running>> {
        let status = self.running.lock().unwrap().get(&instance)?.clone();
        let world = self.clone();
        Some(Arc::new(One {
            instance,
            status,
            world,
        }))
    }
}

pub(crate) fn platform() -> Platform {
    Platform {
        api_url: "https://api.example.kr".to_owned(),
        address: "192.0.2.7".to_owned(),
        cell: "here".to_owned(),
        stack: "pastina".to_owned(),
    }
}

impl Runtime for World {
    fn start<'a>(
        &'a self,
        order: &'a Order,
        _dir: &'a Path,
    ) -> BoxFuture<'a, Result<Arc<dyn Running>, String>> {
        if let Some(reason) = self.refuse.lock().unwrap().clone() {
            return Box::pin(future::ready(Err(reason)));
        }
        let (status, _) = watch::channel(Status::Running { pid: 1 });
        self.running.lock().unwrap().insert(order.instance, status);
        Box::pin(future::ready(
            self.find(order.instance).ok_or_else(String::new),
        ))
    }

    fn adopt<'a>(
        &'a self,
        record: &'a Record,
        _dir: &'a Path,
    ) -> BoxFuture<'a, Option<Arc<dyn Running>>> {
        Box::pin(future::ready(self.find(record.instance)))
    }
}

#[derive(Debug)]
struct One {
    instance: InstanceId,
    status: watch::Sender<Status>,
    world: World,
}

impl Running for One {
    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    fn backend(&self) -> Backend {
        Backend::Static {
            root: PathBuf::from("/srv"),
            site: Arc::default(),
        }
    }

    fn stop(&self, _grace: Duration) {
        self.status
            .send_replace(Status::Ended(Exit::Stopped { killed: false }));
    }

    fn set_network<'a>(
        &'a self,
        policy: &'a NetworkPolicy,
    ) -> BoxFuture<'a, Result<(), SandboxError>> {
        let mut told = self.world.told.lock().unwrap();
        let (last, times) = told.entry(self.instance).or_default();
        *last = policy.clone();
        *times += 1;
        Box::pin(future::ready(Ok(())))
    }

    fn usage(&self) -> Option<Usage> {
        None
    }

    fn log(&self, _position: u64) -> io::Result<Option<(log::Reader, watch::Receiver<u64>)>> {
        Ok(None)
    }

    fn remove(&self) -> BoxFuture<'static, Result<(), SandboxError>> {
        self.world.running.lock().unwrap().remove(&self.instance);
        Box::pin(future::ready(Ok(())))
    }
}
