//! Desired state in, real sandboxes out: an app is built, started, watched, restarted, taken
//! over by the next daemon, and gone when nobody wants it.

use std::{
    collections::BTreeMap,
    io::{Cursor, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use pastina::{
    blobs::{self, Blobs},
    build::{self, Builder},
    drivers::{self, Drivers, Identity, Platform},
    logs::{Limits, Logs, Query},
    model::{
        Actor, App, AppId, AppName, AppProtocol, AppState, Build, BuildId, BuildState, Destination,
        DestinationId, Domain, DomainId, DomainName, HealthCheck, InstanceState, InstanceView,
        Lifecycle, Megabytes, Metadata, Observed, Org, OrgId, OrgName, Package, PackageId,
        PackageState, Process, ProcessId, ProcessType, ReadinessCheck, Route, RouteHost, RouteId,
        RoutePath, Space, SpaceId, SpaceName, Timestamp,
    },
    reconcile::{Config, Deps, Handle, Reconciler},
    routing::{RouteTable, Target},
    runtimes::Catalog,
    sandbox,
    stdx::clock::Clock,
    store::{Store, StoreError, Tx},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
    time::{sleep, timeout},
};
use zip::{ZipWriter, write::SimpleFileOptions};

/// Nothing here takes near as long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(90);
const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Answers what it is asked, counts aloud, and ends when told to.
const APP: &str = r#"
import http.server, os, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/exit":
            os._exit(3)
        if self.path == "/eat":
            list(bytes([1]) * (1 << 20) for _ in range(1000))
            x = bytearray(os.urandom(512 << 20))
        body = f"{os.getpid()} {os.environ.get(self.path[1:], '')}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

def count():
    n = 0
    while True:
        print(f"tick {n}", flush=True)
        n += 1
        time.sleep(0.005)

threading.Thread(target=count, daemon=True).start()
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// A machine with its disk; daemons come and go on it.
struct Machine {
    root: TempDir,
    store: Store,
    identity: Identity,
}

struct Daemon {
    handle: Handle,
    observed: watch::Receiver<Arc<Observed>>,
    table: Arc<ArcSwap<RouteTable>>,
    blobs: Blobs,
    logs: Logs,
    _runtimes: watch::Sender<Arc<Catalog>>,
}

fn program() -> PathBuf {
    std::env::var_os("PASTINA_TEST_PROGRAM")
        .map_or_else(|| env!("CARGO_BIN_EXE_pastina").into(), PathBuf::from)
}

/// A range of user ids beyond those of other tests.
fn next_range() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    800_000_000 + 65_536 * NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Machine {
    fn new() -> Self {
        static PREPARED: OnceLock<()> = OnceLock::new();
        PREPARED.get_or_init(|| {
            sandbox::set_executable(program());
            let _ = sandbox::cgroup::prepare();
        });
        let identity = if nix::unistd::geteuid().is_root() {
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

    fn boot(&self) -> Daemon {
        let dir = |name: &str| self.root.path().join(name);
        let limits = blobs::Limits {
            upload: 1 << 30,
            unpacked: 1 << 30,
            entries: 10_000,
        };
        let blobs = Blobs::open(&dir("blobs"), limits).unwrap();
        let logs = Logs::open(&dir("logs"), Limits::default()).unwrap();
        let (runtimes, seen) = watch::channel(Arc::new(Catalog::load(None).unwrap()));
        let mut config = build::Config::new(dir("builds"), std::env::vars());
        config.program = program();
        let builder = Builder::new(config, blobs.clone(), logs.clone(), seen);
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
            pids: 256,
            log_bytes: 1 << 20,
            drain: Duration::from_secs(2),
        };
        let drivers = Drivers::new(config, blobs.clone(), logs.clone(), clock.clone());
        let table: Arc<ArcSwap<RouteTable>> = Arc::default();
        let (handle, observed) = Reconciler::start(Deps {
            store: self.store.clone(),
            drivers,
            builder,
            blobs: blobs.clone(),
            logs: logs.clone(),
            table: Arc::clone(&table),
            clock,
            config: Config::for_machine(2, Megabytes(2048)),
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

    async fn commit(&self, change: impl FnOnce(&mut Tx)) {
        let done: Result<(), StoreError> = self
            .store
            .commit(|tx| {
                change(tx);
                Ok(())
            })
            .await;
        done.unwrap();
    }

    async fn change(&self, id: AppId, change: impl FnOnce(&mut App)) {
        self.commit(|tx| {
            let mut app = App::clone(&tx.apps[&id]);
            change(&mut app);
            tx.put(app);
        })
        .await;
    }

    /// Stages `files` as a new app and starts it.
    async fn push(&self, daemon: &Daemon, files: &[(&str, &str)], instances: u32) -> AppId {
        let blob = daemon.blobs.put(Cursor::new(zip(files))).await.unwrap();
        let app = AppId::random();
        let package = Package {
            id: PackageId::random(),
            app,
            state: PackageState::Ready {
                sha256: blob.sha256,
            },
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        };
        let build = Build {
            id: BuildId::random(),
            app,
            package: package.id,
            state: BuildState::Staging,
            lifecycle: Lifecycle::default(),
            memory: None,
            created_by: Actor::system(),
            metadata: Metadata::default(),
            created_at: AT,
            updated_at: AT,
        };
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

fn desired(tx: &mut Tx, id: AppId, instances: u32) {
    let (metadata, created_at, updated_at) = (Metadata::default(), AT, AT);
    let name = format!("app-{}", &id.to_string()[..8]);
    let org = Org {
        id: OrgId::random(),
        name: OrgName::parse(name.clone()).unwrap(),
        suspended: false,
        metadata: metadata.clone(),
        created_at,
        updated_at,
    };
    let space = Space {
        id: SpaceId::random(),
        org: org.id,
        name: SpaceName::parse("dev").unwrap(),
        allow_ssh: false,
        metadata: metadata.clone(),
        created_at,
        updated_at,
    };
    let domain = Domain {
        id: DomainId::random(),
        name: DomainName::parse(format!("{id}.example.kr")).unwrap(),
        org: None,
        shared_with: Vec::new(),
        internal: false,
        metadata: metadata.clone(),
        created_at,
        updated_at,
    };
    tx.put(Route {
        id: RouteId::random(),
        space: space.id,
        domain: domain.id,
        host: RouteHost::parse("www").unwrap(),
        path: RoutePath::parse("").unwrap(),
        destinations: vec![Destination {
            id: DestinationId::random(),
            app: id,
            process_type: ProcessType::web(),
            port: None,
            weight: None,
            protocol: AppProtocol::Http1,
        }],
        options: BTreeMap::new(),
        metadata: metadata.clone(),
        created_at,
        updated_at,
    });
    tx.put(App {
        id,
        space: space.id,
        name: AppName::parse(name).unwrap(),
        state: AppState::Stopped,
        lifecycle: Lifecycle::default(),
        env: BTreeMap::from([("GREETING".to_owned(), "hello there".to_owned())]),
        current_droplet: None,
        generation: 1,
        features: BTreeMap::new(),
        // Only looked at where the platform runs as root.
        uid_range: Some(next_range()),
        metadata: metadata.clone(),
        created_at,
        updated_at,
    });
    tx.put(Process {
        id: ProcessId::from(id),
        app: id,
        process_type: ProcessType::web(),
        command: None,
        instances,
        memory: Megabytes(128),
        disk: Megabytes(128),
        log_rate_limit: -1,
        health: HealthCheck::default_for(true),
        readiness: ReadinessCheck::default(),
        generation: 0,
        metadata,
        created_at,
        updated_at,
    });
    tx.put(org);
    tx.put(space);
    tx.put(domain);
}

fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in files {
        zip.start_file(*path, SimpleFileOptions::default().unix_permissions(0o644))
            .unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

const PYTHON: &[(&str, &str)] = &[("app.py", APP), ("Procfile", "web: exec python3 app.py\n")];

impl Daemon {
    async fn until(&self, app: AppId, law: impl Fn(&[InstanceView]) -> bool) -> Vec<InstanceView> {
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

    async fn running(&self, app: AppId, count: usize) -> Vec<InstanceView> {
        let running = |slots: &[InstanceView]| {
            slots.len() == count
                && slots
                    .iter()
                    .all(|slot| slot.state == InstanceState::Running)
        };
        self.until(app, running).await
    }

    /// What the app's first routed instance says to a request; empty where it hangs up.
    async fn ask(&self, app: AppId, path: &str) -> String {
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

    fn log(&self, app: AppId) -> Vec<String> {
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

    async fn logged(&self, app: AppId, what: &str) {
        let found = async {
            while !self.log(app).iter().any(|line| line == what) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(PATIENCE, found).await.is_err() {
            panic!("no {what:?} in {:#?}", self.log(app));
        }
    }
}

fn left(dir: &Path) -> usize {
    std::fs::read_dir(dir).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_outlives_its_daemon_with_every_line_of_its_log() {
    let machine = Machine::new();
    let daemon = machine.boot();
    let app = machine.push(&daemon, PYTHON, 1).await;
    let before = daemon.running(app, 1).await;
    let pid = daemon.ask(app, "/").await;
    let greeting = daemon.ask(app, "/GREETING").await;
    assert!(greeting.ends_with(" hello there"), "{greeting}");
    daemon.logged(app, "APP/PROC/WEB tick 50").await;
    daemon.logged(app, "CELL Container became healthy").await;

    for round in 1..=3 {
        daemon.handle.stop().await;
        let daemon = machine.boot();
        let after = daemon.running(app, 1).await;
        assert_eq!(after[0].id, before[0].id);
        assert_eq!(daemon.ask(app, "/").await, pid);
        daemon
            .logged(app, &format!("APP/PROC/WEB tick {}", 50 + round * 100))
            .await;
        let ticks: Vec<u32> = daemon
            .log(app)
            .iter()
            .filter_map(|line| line.strip_prefix("APP/PROC/WEB tick ")?.parse().ok())
            .collect();
        let whole: Vec<u32> = (0..u32::try_from(ticks.len()).unwrap()).collect();
        assert_eq!(ticks, whole);
        daemon.handle.stop().await;
    }

    let daemon = machine.boot();
    daemon.running(app, 1).await;
    machine
        .change(app, |app| app.state = AppState::Stopped)
        .await;
    daemon.until(app, <[_]>::is_empty).await;
    let gone = async {
        while left(&machine.root.path().join("instances")) > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
    daemon.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_is_explained_and_healed() {
    let machine = Machine::new();
    let daemon = machine.boot();
    let app = machine.push(&daemon, PYTHON, 1).await;
    let first = daemon.running(app, 1).await[0].id;
    daemon.ask(app, "/exit").await;
    let healed =
        |slots: &[InstanceView]| slots[0].state == InstanceState::Running && slots[0].id != first;
    let second = daemon.until(app, healed).await[0].id;
    daemon.logged(app, "APP/PROC/WEB Exit status 3").await;

    // Without control groups nobody counts what an app eats; `pastina doctor` says so.
    let mut expected = vec!["Exit status 3"];
    if sandbox::probe().cgroup.is_some() {
        daemon.ask(app, "/eat").await;
        let healed = |slots: &[InstanceView]| {
            slots[0].state == InstanceState::Running && slots[0].id != second
        };
        daemon.until(app, healed).await;
        let oom = "Exit status 137 (out of memory)";
        daemon.logged(app, &format!("APP/PROC/WEB {oom}")).await;
        expected.insert(0, oom);
    }
    let state = machine.store.state();
    let mut crashes: Vec<_> = state
        .events_of(&app.to_string())
        .filter(|event| event.kind == "app.crash")
        .map(|event| event.data["exit_description"].as_str().unwrap().to_owned())
        .collect();
    crashes.sort();
    assert_eq!(crashes, expected);
    machine
        .change(app, |app| app.state = AppState::Stopped)
        .await;
    daemon.until(app, <[_]>::is_empty).await;
    daemon.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_never_listens_is_told_so() {
    let machine = Machine::new();
    let daemon = machine.boot();
    let files = [("Procfile", "web: echo here I am; exec sleep 1000\n")];
    let app = machine.push(&daemon, &files, 1).await;
    machine
        .commit(|tx| {
            let mut web = Process::clone(&tx.processes[&ProcessId::from(app)]);
            web.health.timeout = Some(1);
            web.generation += 1;
            tx.put(web);
        })
        .await;
    daemon
        .logged(
            app,
            "HEALTH Failed after 1s: startup health check never passed.",
        )
        .await;
    daemon
        .logged(
            app,
            "HEALTH Failed to make TCP connection to port 8080: connection refused",
        )
        .await;
    let crashed = |slots: &[InstanceView]| {
        slots
            .first()
            .is_some_and(|slot| slot.state == InstanceState::Crashed)
    };
    let slots = daemon.until(app, crashed).await;
    assert_eq!(
        slots[0].details.as_deref(),
        Some("Failed after 1s: startup health check never passed.")
    );
    machine.commit(|tx| tx.delete(app)).await;
    daemon.until(app, <[_]>::is_empty).await;
    daemon.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_routed_without_a_process() {
    let machine = Machine::new();
    let daemon = machine.boot();
    let files = [("index.html", "<h1>hi</h1>"), ("Staticfile", "")];
    let app = machine.push(&daemon, &files, 2).await;
    daemon.running(app, 2).await;
    let entry = daemon
        .table
        .load()
        .lookup(&format!("www.{app}.example.kr"), "/")
        .unwrap()
        .clone();
    assert_eq!(entry.backends.len(), 2);
    let Target::Static { root } = &entry.backends[0].target else {
        panic!("{entry:?}");
    };
    assert_eq!(
        std::fs::read_to_string(root.join("index.html")).unwrap(),
        "<h1>hi</h1>"
    );
    daemon.handle.stop().await;
}
