//! A place to stage apps in, and to start what came of them.

use std::{
    collections::BTreeMap,
    io::{Cursor, Write},
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use pastina::{
    blobs::{self, Blobs},
    build::{Builder, Config, Request, Room, Source, Staged},
    certs::Bearer,
    images::{self, Images},
    logs::{Logs, Query},
    model::{
        App, AppId, AppName, AppState, BuildId, DropletId, DropletKind, EgressProtocol, EgressRule,
        Failure, Lifecycle, LifecycleKind, Megabytes, Metadata, NetworkPolicy, OrgId, ProcessType,
        SpaceId, Timestamp,
    },
    runtimes::Catalog,
    sandbox::{self, Disks, Ids, Limits, Sandbox, Spec, Status},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
};
use zip::{ZipWriter, write::SimpleFileOptions};

/// Every address of IPv4 and IPv6; the platform closes its own and those that lead into its
/// surroundings by itself.
fn internet() -> NetworkPolicy {
    let rule = |first: &str, last: &str| EgressRule {
        first: first.parse().unwrap(),
        last: last.parse().unwrap(),
        protocol: EgressProtocol::All,
        log: false,
    };
    NetworkPolicy {
        rules: vec![
            rule("0.0.0.0", "255.255.255.255"),
            rule("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ],
        ..NetworkPolicy::default()
    }
}

use crate::support::{PATIENCE, examples, is_root, program, soon};

/// A place to stage apps in, and one app.
pub(super) struct Place {
    pub(super) root: TempDir,
    pub(super) builder: Builder,
    blobs: Blobs,
    images: Images,
    logs: Logs,
    pub(super) app: App,
    ids: Ids,
    pub(super) own_command: bool,
    config: Config,
    runtimes: watch::Sender<Arc<Catalog>>,
}

pub(super) fn ids() -> Ids {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if is_root() {
        // Beyond those of the sandbox's own tests.
        let first = 400_000_000 + 65_536 * NEXT.fetch_add(1, Ordering::Relaxed);
        return Ids::Range { first };
    }
    Ids::Own
}

impl Place {
    pub(super) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(super) fn with(change: impl FnOnce(&mut Config)) -> Self {
        static PREPARED: OnceLock<()> = OnceLock::new();
        PREPARED.get_or_init(|| {
            sandbox::set_executable(program());
            let _ = sandbox::cgroup::prepare();
        });
        let root = tempfile::tempdir().unwrap();
        let disks = Disks::open(root.path(), 1 << 30);
        let mut config = Config::new(root.path().join("builds"), disks, std::env::vars());
        config.program = program();
        change(&mut config);
        let limits = blobs::Limits {
            upload: 1 << 30,
            unpacked: 1 << 30,
            entries: 100_000,
        };
        let blobs = Blobs::open(&root.path().join("blobs"), limits).unwrap();
        let images = Images::open(
            images::Config {
                dir: root.path().join("images"),
                limits: images::Limits::default(),
                policy: images::Policy::default(),
                proxies: pastina::net::Proxies::default(),
            },
            false,
        )
        .unwrap();
        let logs = Logs::default();
        let (runtimes, seen) = watch::channel(Arc::new(Catalog::load(None).unwrap()));
        let app = App {
            id: AppId::random(),
            space: SpaceId::random(),
            name: AppName::parse("example".to_owned()).unwrap(),
            state: AppState::Stopped,
            lifecycle: Lifecycle::default(),
            env: BTreeMap::new(),
            current_droplet: None,
            generation: 0,
            features: BTreeMap::new(),
            uid_range: None,
            cache_cleared_at: None,
            git_source: None,
            metadata: Metadata::default(),
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        };
        Self {
            builder: Builder::new(
                config.clone(),
                (blobs.clone(), images.clone()),
                logs.clone(),
                seen,
            ),
            images,
            config,
            root,
            blobs,
            logs,
            app,
            ids: ids(),
            own_command: false,
            runtimes,
        }
    }

    /// The builder of the next daemon.
    pub(super) fn successor(&self) -> Builder {
        let seen = self.runtimes.subscribe();
        Builder::new(
            self.config.clone(),
            (self.blobs.clone(), self.images.clone()),
            self.logs.clone(),
            seen,
        )
    }

    pub(super) async fn request(&self, package: Vec<u8>, buildpacks: &[&str]) -> Request {
        let blob = self.blobs.put(Cursor::new(package)).await.unwrap();
        Request {
            build: BuildId::random(),
            droplet: DropletId::random(),
            app: Arc::new(self.app.clone()),
            bearer: Bearer {
                org: OrgId::random(),
                space: self.app.space,
                app: self.app.id,
            },
            source: Source::Bits {
                sha256: blob.sha256,
            },
            lifecycle: Lifecycle {
                kind: LifecycleKind::Buildpack,
                buildpacks: buildpacks.iter().map(|name| (*name).to_owned()).collect(),
                stack: None,
                credentials: BTreeMap::new(),
            },
            classic: Vec::new(),
            memory: None,
            disk: Megabytes(1024),
            env: BTreeMap::new(),
            files: None,
            own_command: self.own_command,
            ids: self.ids,
            network: watch::channel(internet()).1,
            room: Room::of(Megabytes(u32::MAX)),
        }
    }

    pub(super) async fn stage(&self, files: &[(&str, &str)]) -> Result<Staged, Failure> {
        let files = files
            .iter()
            .map(|(path, text)| (*path, text.as_bytes().to_vec()));
        let request = self.request(zip(files), &[]).await;
        let staged = self.builder.stage(request).await;
        self.left_nothing();
        staged.map(|(staged, _)| staged)
    }

    /// The words of the failure.
    pub(super) async fn failure(&self, files: &[(&str, &str)]) -> String {
        let failure = self.stage(files).await.unwrap_err();
        format!("{}: {}", failure.id, failure.detail)
    }

    /// Asserts that no build has left anything but caches.
    pub(super) fn left_nothing(&self) {
        let left: Vec<_> = std::fs::read_dir(self.root.path().join("builds"))
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name != "caches")
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// The lines of the app's log.
    pub(super) fn log(&self) -> Vec<String> {
        let query = Query {
            start_ns: 0,
            end_ns: i64::MAX,
            limit: 10_000,
            descending: false,
        };
        let lines = self.logs.read(self.app.id, &query);
        let text = |line: &pastina::logs::Line| {
            assert_eq!((line.source.as_str(), line.instance.as_str()), ("STG", "0"));
            String::from_utf8_lossy(&line.text).into_owned()
        };
        lines.iter().map(|line| text(line)).collect()
    }

    /// Stages files and answers what `/` says when they run with `memory` megabytes.
    pub(super) async fn staged_and_started(
        &self,
        files: Vec<(String, Vec<u8>)>,
        memory: u64,
    ) -> (Staged, String) {
        let request = self.request(zip(files), &[]).await;
        let droplet = request.droplet;
        let staged = match self.builder.stage(request).await {
            Ok((staged, _)) => staged,
            Err(failure) => panic!("{}: {}\n{:#?}", failure.id, failure.detail, self.log()),
        };
        self.left_nothing();
        let tree = self
            .blobs
            .tree(self.app.id, droplet, &staged.sha256, None)
            .await
            .unwrap();
        if staged.kind == DropletKind::Static {
            let page = tree
                .join("app")
                .join(&staged.static_root)
                .join("index.html");
            return (staged, std::fs::read_to_string(page).unwrap());
        }
        let command = &staged.process_types[&ProcessType::web()];
        let answer = self.start(command, &staged.env, tree, memory).await;
        (staged, answer)
    }

    pub(super) async fn start(
        &self,
        command: &str,
        env: &BTreeMap<String, String>,
        home: PathBuf,
        memory: u64,
    ) -> String {
        let launch = "for script in /home/vcap/profile.d/*.sh; do \
                      [ -r \"$script\" ] && . \"$script\"; done; exec bash -c \"$0\"";
        let mut env = env.clone();
        for (name, value) in [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("PORT", "8080"),
            ("MEMORY_LIMIT", &format!("{memory}m")),
            ("HOME", "/home/vcap/app"),
            ("TMPDIR", "/home/vcap/tmp"),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        let dir = self.root.path().join("instance");
        std::fs::create_dir(&dir).unwrap();
        let id = format!("test-{}", self.app.id);
        let argv = ["bash", "-c", launch, command].map(str::to_owned);
        let spec = Spec {
            home: Some(home),
            binds: vec![sandbox::Bind {
                source: program(),
                target: "/.pastina/pastina".into(),
                writable: false,
            }],
            env: env.into_iter().collect(),
            cwd: "/home/vcap/app".to_owned(),
            ids: self.ids,
            limits: Limits {
                memory: Some(memory << 20),
                ..Limits::default()
            },
            ..Spec::new(id, dir, argv)
        };
        let running = Running(sandbox::spawn(&spec).await.unwrap());
        let answer = running.answer().await;
        running.0.stop(Duration::ZERO);
        running.ended().await;
        running.0.clone().remove().await.unwrap();
        answer
    }
}

/// An instance, killed when the test ends before it does.
struct Running(Sandbox);

impl Running {
    pub(super) async fn ended(&self) {
        let mut status = self.0.status();
        let ended = status.wait_for(|status| matches!(status, Status::Ended(_)));
        tokio::time::timeout(PATIENCE, ended)
            .await
            .unwrap()
            .unwrap();
    }

    pub(super) fn log(&self) -> Vec<String> {
        let mut reader = self.0.log(0).unwrap();
        std::iter::from_fn(|| reader.next().unwrap())
            .map(|record| String::from_utf8_lossy(&record.line).into_owned())
            .collect()
    }

    /// What it answers once it serves.
    pub(super) async fn answer(&self) -> String {
        let mut stream = soon("the app to listen", async || {
            let status = self.0.status().borrow().clone();
            let ended = matches!(status, Status::Ended(_));
            assert!(!ended, "{status:?}: {:#?}", self.log());
            sandbox::dial(self.0.dir(), 8080).await.ok()
        })
        .await;
        let request = b"GET / HTTP/1.1\r\nhost: example\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stop(Duration::ZERO);
    }
}

pub(super) fn zip(files: impl IntoIterator<Item = (impl Into<String>, Vec<u8>)>) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        let options = SimpleFileOptions::default().unix_permissions(0o755);
        zip.start_file(path.into(), options).unwrap();
        zip.write_all(&content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

pub(super) fn example(name: &str) -> Vec<(String, Vec<u8>)> {
    let top = examples().join(name);
    let mut files = Vec::new();
    let mut folders = vec![top.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(&top)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                files.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    files
}
