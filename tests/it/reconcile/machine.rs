//! A machine that daemons come and go on, and what to ask of them.

use std::{
    io::Cursor,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use pastina::{
    blobs::{self, Blobs},
    brokers::{self, Brokers},
    build::{self, Builder},
    drivers::{self, Drivers, Identity, Platform},
    images::{self, Images},
    logs::{Limits, Logs, Query},
    model::{
        App, AppId, AppState, BuildState, InstanceState, InstanceView, Megabytes, Observed,
        ProcessId,
    },
    reconcile::{Config, Deps, Handle, Reconciler},
    routing::{RouteTable, Target},
    runtimes::Catalog,
    sandbox::{self, Ceiling, Disks},
    stdx::clock::Clock,
    store::{Store, StoreError, Tx},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
    time::timeout,
};

use super::wanted::{build, desired, package, zip};
use crate::support::{PATIENCE, is_root, program, until};

/// A machine with its disk; daemons come and go on it.
pub(super) struct Machine {
    pub(super) root: TempDir,
    pub(super) store: Store,
    identity: Identity,
}

pub(super) struct Daemon {
    pub(super) handle: Handle,
    observed: watch::Receiver<Arc<Observed>>,
    pub(super) table: Arc<ArcSwap<RouteTable>>,
    blobs: Blobs,
    logs: Logs,
    _runtimes: watch::Sender<Arc<Catalog>>,
}

impl Machine {
    pub(super) fn new() -> Self {
        static PREPARED: OnceLock<()> = OnceLock::new();
        PREPARED.get_or_init(|| {
            sandbox::set_executable(program());
            let _ = sandbox::cgroup::prepare();
        });
        let identity = if is_root() {
            Identity::Ranges
        } else {
            Identity::Own
        };
        let (root, store) = (tempfile::tempdir().unwrap(), Store::in_memory());
        Self {
            root,
            store,
            identity,
        }
    }

    pub(super) fn boot(&self) -> Daemon {
        let dir = |name: &str| self.root.path().join(name);
        let limits = blobs::Limits {
            upload: 1 << 30,
            unpacked: 1 << 30,
            entries: 10_000,
        };
        let blobs = Blobs::open(&dir("blobs"), limits).unwrap();
        let logs = Logs::open(&dir("logs"), Limits::default()).unwrap();
        let (runtimes, seen) = watch::channel(Arc::new(Catalog::load(None).unwrap()));
        let disks = Disks::open(self.root.path(), 64 << 20);
        let mut config = build::Config::new(dir("builds"), disks.clone(), std::env::vars());
        config.program = program();
        let images = Images::open(
            images::Config {
                dir: dir("images"),
                limits: images::Limits::default(),
                policy: images::Policy::default(),
                proxies: pastina::net::Proxies::default(),
            },
            false,
        )
        .unwrap();
        let builder = Builder::new(config, (blobs.clone(), images.clone()), logs.clone(), seen);
        let clock = Clock::system();
        let config = drivers::Config {
            dir: dir("instances"),
            identity: self.identity,
            program: program(),
            platform: Platform {
                api_url: "https://api.example.kr".to_owned(),
                address: "127.0.0.1".to_owned(),
                cell: "here".to_owned(),
                stack: "pastina".to_owned(),
            },
            authority: None,
            disks,
            pids: 256,
            io_ceiling: Ceiling::default(),
            cores_per_gigabyte: 1.0,
            log_bytes: 1 << 20,
            drain: Duration::from_secs(2),
        };
        let drivers = Drivers::new(config, (blobs.clone(), images), logs.clone(), clock.clone());
        let table: Arc<ArcSwap<RouteTable>> = Arc::default();
        let (handle, observed) = Reconciler::start(Deps {
            store: self.store.clone(),
            drivers,
            builder,
            brokers: Brokers::try_new(brokers::Config::default()).unwrap(),
            blobs: blobs.clone(),
            logs: logs.clone(),
            table: Arc::clone(&table),
            tabled: watch::Sender::new(()),
            clock,
            config: Config::for_machine(2, Megabytes(2048)),
            bandwidth: watch::channel(None).1,
        });
        Daemon {
            handle,
            observed,
            table,
            blobs,
            logs,
            _runtimes: runtimes,
        }
    }

    pub(super) async fn commit(&self, change: impl FnOnce(&mut Tx)) {
        let done: Result<(), StoreError> = self
            .store
            .commit(|tx| {
                change(tx);
                Ok(())
            })
            .await;
        done.unwrap();
    }

    pub(super) async fn change(&self, id: AppId, change: impl FnOnce(&mut App)) {
        self.commit(|tx| {
            let mut app = App::clone(&tx.apps[&id]);
            change(&mut app);
            tx.put(app);
        })
        .await;
    }

    /// Stages `files` as a new app and starts it.
    pub(super) async fn push(
        &self,
        daemon: &Daemon,
        files: &[(&str, &str)],
        instances: u32,
    ) -> AppId {
        let blob = daemon.blobs.put(Cursor::new(zip(files))).await.unwrap();
        let app = AppId::random();
        let package = package(app, blob.sha256);
        let build = build(app, package.id);
        let id = build.id;
        self.commit(|tx| {
            desired(tx, app, instances);
            tx.put(package);
            tx.put(build);
        })
        .await;
        let mut revisions = self.store.watch();
        let staged = async {
            loop {
                match &self.store.state().builds[&id].state {
                    BuildState::Staging => revisions.changed().await.unwrap(),
                    BuildState::Staged { droplet } => return *droplet,
                    BuildState::Failed { failure } => panic!("{failure:?}"),
                }
            }
        };
        let droplet = timeout(PATIENCE, staged).await.unwrap();
        self.change(app, |app| {
            app.current_droplet = Some(droplet);
            app.state = AppState::Started;
        })
        .await;
        app
    }
}

impl Daemon {
    pub(super) async fn until(
        &self,
        app: AppId,
        law: impl Fn(&[InstanceView]) -> bool,
    ) -> Vec<InstanceView> {
        let process = ProcessId::from(app);
        let slots = |observed: &Observed| {
            observed
                .processes
                .get(&process)
                .cloned()
                .unwrap_or_default()
        };
        let mut told = self.observed.clone();
        match timeout(PATIENCE, told.wait_for(|observed| law(&slots(observed)))).await {
            Ok(observed) => slots(&observed.unwrap()),
            Err(_) => panic!("still {:#?}\n{:#?}", self.observed.borrow(), self.log(app)),
        }
    }

    pub(super) async fn running(&self, app: AppId, count: usize) -> Vec<InstanceView> {
        let running = |slots: &[InstanceView]| {
            slots.len() == count
                && slots
                    .iter()
                    .all(|slot| slot.state == InstanceState::Running)
        };
        self.until(app, running).await
    }

    /// What the app's first routed instance says to a request; empty where it hangs up.
    pub(super) async fn ask(&self, app: AppId, path: &str) -> String {
        let entry = self
            .table
            .load()
            .lookup(&format!("www.{app}.example.kr"), "/")
            .unwrap()
            .clone();
        let Target::Sandbox { dir, port, .. } = entry.backends[0].target.clone() else {
            panic!("{entry:?}");
        };
        let mut stream = sandbox::dial(&dir, port).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
            .split("\r\n\r\n")
            .nth(1)
            .unwrap_or_default()
            .to_owned()
    }

    pub(super) fn log(&self, app: AppId) -> Vec<String> {
        let query = Query {
            start_ns: 0,
            end_ns: i64::MAX,
            limit: usize::MAX,
            descending: false,
        };
        let lines = self.logs.read(app, &query);
        let text = |line: &Arc<pastina::logs::Line>| {
            format!("{} {}", line.source, String::from_utf8_lossy(&line.text))
        };
        lines.iter().map(text).collect()
    }

    pub(super) async fn logged(&self, app: AppId, what: &str) {
        until(&format!("{what:?} in the app's log"), || {
            self.log(app).iter().any(|line| line == what)
        })
        .await;
    }
}
