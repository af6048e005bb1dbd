//! Stages the examples, and apps that go wrong, for real; what came of an example is started
//! in a sandbox as the platform starts it, and asked.
//!
//! Run as root, what needs no registry is done twice: as root, and in a child that is an
//! ordinary user.

use std::{
    collections::BTreeMap,
    io::{Cursor, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use pastina::{
    blobs::{self, Blobs},
    build::{Builder, Config, Request, Staged},
    logs::{Logs, Query},
    model::{
        App, AppId, AppName, AppState, BuildId, DropletId, DropletKind, Failure, Lifecycle,
        Metadata, ProcessType, SpaceId, Timestamp,
    },
    runtimes::Catalog,
    sandbox::{self, Ids, Limits, Network, SPEC_VERSION, Sandbox, Spec, Status},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
};
use zip::{ZipWriter, write::SimpleFileOptions};

/// Nothing here takes near as long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Name the program and the examples where the tests run from a copy.
const PROGRAM: &str = "PASTINA_TEST_PROGRAM";
const EXAMPLES: &str = "PASTINA_TEST_EXAMPLES";

fn program() -> PathBuf {
    std::env::var_os(PROGRAM).map_or_else(|| env!("CARGO_BIN_EXE_pastina").into(), PathBuf::from)
}

fn examples() -> PathBuf {
    let here = || Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    std::env::var_os(EXAMPLES).map_or_else(here, PathBuf::from)
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A place to stage apps in, and one app.
struct Place {
    root: TempDir,
    builder: Builder,
    blobs: Blobs,
    logs: Logs,
    app: App,
    ids: Ids,
    own_command: bool,
    _runtimes: watch::Sender<Arc<Catalog>>,
}

fn ids() -> Ids {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if is_root() {
        // Beyond those of the sandbox's own tests.
        let first = 400_000_000 + 65_536 * NEXT.fetch_add(1, Ordering::Relaxed);
        return Ids::Range { first };
    }
    Ids::Own
}

impl Place {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        static PREPARED: OnceLock<()> = OnceLock::new();
        PREPARED.get_or_init(|| {
            sandbox::set_executable(program());
            let _ = sandbox::cgroup::prepare();
        });
        let root = tempfile::tempdir().unwrap();
        let mut config = Config::new(root.path().join("builds"), std::env::vars());
        config.program = program();
        change(&mut config);
        let limits = blobs::Limits {
            upload: 1 << 30,
            unpacked: 1 << 30,
            entries: 100_000,
        };
        let blobs = Blobs::open(&root.path().join("blobs"), limits).unwrap();
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
            metadata: Metadata::default(),
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        };
        Self {
            builder: Builder::new(config, blobs.clone(), logs.clone(), seen),
            root,
            blobs,
            logs,
            app,
            ids: ids(),
            own_command: false,
            _runtimes: runtimes,
        }
    }

    async fn request(&self, package: Vec<u8>, buildpacks: &[&str]) -> Request {
        let blob = self.blobs.put(Cursor::new(package)).await.unwrap();
        Request {
            build: BuildId::random(),
            droplet: DropletId::random(),
            app: Arc::new(self.app.clone()),
            package_sha256: blob.sha256,
            lifecycle: Lifecycle {
                buildpacks: buildpacks.iter().map(|name| (*name).to_owned()).collect(),
                stack: None,
            },
            memory: None,
            env: BTreeMap::new(),
            own_command: self.own_command,
            ids: self.ids,
        }
    }

    async fn stage(&self, files: &[(&str, &str)]) -> Result<Staged, Failure> {
        let files = files
            .iter()
            .map(|(path, text)| (*path, text.as_bytes().to_vec()));
        let request = self.request(zip(files), &[]).await;
        let staged = self.builder.stage(request).await;
        self.left_nothing();
        staged
    }

    /// The words of the failure.
    async fn failure(&self, files: &[(&str, &str)]) -> String {
        let failure = self.stage(files).await.unwrap_err();
        format!("{}: {}", failure.id, failure.detail)
    }

    /// Asserts that no build has left anything but caches.
    fn left_nothing(&self) {
        let left: Vec<_> = std::fs::read_dir(self.root.path().join("builds"))
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name != "caches")
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// The lines of the app's log.
    fn log(&self) -> Vec<String> {
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
    async fn staged_and_started(
        &self,
        files: Vec<(String, Vec<u8>)>,
        memory: u64,
    ) -> (Staged, String) {
        let request = self.request(zip(files), &[]).await;
        let droplet = request.droplet;
        let staged = match self.builder.stage(request).await {
            Ok(staged) => staged,
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

    async fn start(
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
        let spec = Spec {
            version: SPEC_VERSION,
            id: format!("test-{}", self.app.id),
            dir,
            home: Some(home),
            home_writable: false,
            binds: vec![sandbox::Bind {
                source: program(),
                target: "/.pastina/pastina".into(),
                writable: false,
            }],
            argv: ["bash", "-c", launch, command].map(str::to_owned).into(),
            env: env.into_iter().collect(),
            cwd: "/home/vcap/app".to_owned(),
            hostname: "example".to_owned(),
            ids: self.ids,
            network: Network::Isolated,
            limits: Limits {
                memory: Some(memory << 20),
                ..Limits::default()
            },
            log_bytes: 1 << 20,
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
    async fn ended(&self) {
        let mut status = self.0.status();
        let ended = status.wait_for(|status| matches!(status, Status::Ended(_)));
        tokio::time::timeout(PATIENCE, ended)
            .await
            .unwrap()
            .unwrap();
    }

    fn log(&self) -> Vec<String> {
        let mut reader = self.0.log(0).unwrap();
        std::iter::from_fn(|| reader.next().unwrap())
            .map(|record| String::from_utf8_lossy(&record.line).into_owned())
            .collect()
    }

    /// What it answers once it serves.
    async fn answer(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.0.status().borrow().clone();
            let ended = matches!(status, Status::Ended(_));
            assert!(
                !ended && Instant::now() < deadline,
                "{status:?}: {:#?}",
                self.log()
            );
            if let Ok(mut stream) = sandbox::dial(self.0.dir(), 8080).await {
                let request = b"GET / HTTP/1.1\r\nhost: example\r\nconnection: close\r\n\r\n";
                stream.write_all(request).await.unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.unwrap();
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stop(Duration::ZERO);
    }
}

fn zip(files: impl IntoIterator<Item = (impl Into<String>, Vec<u8>)>) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        let options = SimpleFileOptions::default().unix_permissions(0o755);
        zip.start_file(path.into(), options).unwrap();
        zip.write_all(&content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn example(name: &str) -> Vec<(String, Vec<u8>)> {
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

async fn answers(name: &str, memory: u64, buildpack: &str, expected: &str) -> Place {
    let place = Place::new();
    let (staged, answer) = place.staged_and_started(example(name), memory).await;
    assert!(answer.contains(expected), "{name}: {answer}");
    assert_eq!(staged.buildpacks.last().unwrap().name, buildpack);
    assert_eq!(staged.stack, "cflinuxfs4");
    place
}

#[tokio::test]
async fn the_plain_python_example() {
    answers("python-plain", 64, "python_buildpack", "Hello from Python").await;
}

#[tokio::test]
async fn the_static_example() {
    answers(
        "static-site",
        32,
        "staticfile_buildpack",
        "Hello from a static site",
    )
    .await;
}

#[tokio::test]
async fn the_procfile_example() {
    answers("procfile", 64, "binary_buildpack", "Hello from a Procfile").await;
}

#[tokio::test]
async fn the_wasm_example() {
    answers("wasm-c", 64, "wasm_buildpack", "Hello from WebAssembly").await;
}

#[tokio::test]
async fn the_flask_example() {
    let place = answers("flask", 128, "python_buildpack", "Hello from Flask").await;
    let log = place.log().join("\n");
    assert!(
        log.contains("-----> Installing the packages of requirements.txt"),
        "{log}"
    );
    assert!(log.contains("Successfully installed"), "{log}");
}

#[tokio::test]
async fn the_express_example() {
    answers("express", 192, "nodejs_buildpack", "Hello from Express").await;
}

#[tokio::test]
async fn the_go_example_whose_modules_are_kept_for_the_next_push() {
    let place = answers("go-service", 64, "go_buildpack", "Hello from Go").await;
    let first = place.log();
    let downloads = |log: &[String]| log.iter().any(|line| line.starts_with("go: downloading"));
    assert!(downloads(&first), "{first:#?}");
    let request = place
        .request(zip(example("go-service")), &["go_buildpack_offline"])
        .await;
    place.builder.stage(request).await.unwrap();
    let log = place.log();
    assert!(!downloads(&log[first.len()..]), "{log:#?}");
    place.builder.forget(place.app.id).await.unwrap();
    let caches = std::fs::read_dir(place.root.path().join("builds/caches")).unwrap();
    assert_eq!(caches.count(), 0);
}

#[tokio::test]
async fn the_java_example() {
    answers("java-jar", 128, "java_buildpack", "Hello from Java").await;
}

/// A package whose one step is a shell script of the test's.
fn script(run: &str) -> [(&'static str, String); 3] {
    let package = serde_json::json!({"scripts": {"build": "bash build.sh", "start": "true"}});
    [
        ("package.json", package.to_string()),
        ("build.sh", run.to_owned()),
        ("node_modules/none", String::new()),
    ]
}

fn borrowed<'a>(files: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect()
}

#[tokio::test]
async fn a_failed_step_is_told_with_its_command_and_its_last_lines() {
    let place = Place::new();
    let files = script("echo all went well until here; echo 'no such thing: 물건' >&2; exit 3");
    let told = place.failure(&borrowed(&files)).await;
    for part in [
        "BuildpackCompileFailed: the step \"Building\" failed: Exit status 3",
        "\n  command: npm run build\n",
        "| all went well until here",
        "| no such thing: 물건",
        "cf logs example --recent",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    let log = place.log();
    assert!(
        log.iter().any(|line| line == "no such thing: 물건"),
        "{log:#?}"
    );
}

#[tokio::test]
async fn a_build_beyond_its_memory_is_told_as_such() {
    if !is_root() {
        // Without a cgroup of its own, nothing counts its memory.
        return;
    }
    let place = Place::with(|config| config.memory = pastina::model::Megabytes(96));
    let files = script("python3 -c 'x = \"x\" * (1 << 30)'; echo not killed");
    let told = place.failure(&borrowed(&files)).await;
    assert!(
        told.starts_with("InsufficientResources: the step \"Building\""),
        "{told}"
    );
    assert!(told.contains("needed more than the 96M"), "{told}");
}

#[tokio::test]
async fn a_build_beyond_its_time_is_killed() {
    let place = Place::with(|config| config.timeout = Duration::from_secs(3));
    let files = script("echo waiting for a lock; sleep 1000 & sleep 1000");
    let told = place.failure(&borrowed(&files)).await;
    assert!(
        told.starts_with("StagingTimeExpired: the step \"Building\" was stopped"),
        "{told}"
    );
    assert!(told.contains("| waiting for a lock"), "{told}");
}

#[tokio::test]
async fn a_build_that_is_dropped_leaves_nothing() {
    let place = Place::new();
    let files = script("echo begun; sleep 1000");
    let files = files
        .iter()
        .map(|(path, text)| (*path, text.clone().into_bytes()));
    let request = place.request(zip(files), &[]).await;
    let build = request.build.to_string();
    let staging = place.builder.stage(request);
    let begun = async {
        let deadline = Instant::now() + PATIENCE;
        while !place.log().iter().any(|line| line == "begun") {
            assert!(Instant::now() < deadline, "{:#?}", place.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        staged = staging => panic!("{staged:?}"),
        () = begun => {}
    }
    let deadline = Instant::now() + PATIENCE;
    let folder = place.root.path().join("builds").join(&build);
    while folder.exists() {
        assert!(Instant::now() < deadline, "the folder is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    place.left_nothing();
    let groups = std::process::Command::new("find")
        .args(["/sys/fs/cgroup", "-name", &format!("*{build}*")])
        .output()
        .unwrap();
    assert!(groups.stdout.is_empty());
}

#[tokio::test]
async fn a_build_cannot_make_the_platform_write_or_read_outside() {
    let place = Place::new();
    let outside = place.root.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let secret = place.root.path().join("secret");
    std::fs::write(&secret, "web: leaked").unwrap();
    let run = format!(
        "rm -rf /home/vcap/logs /home/vcap/profile.d; ln -s {0} /home/vcap/logs; \
         ln -s {0} /home/vcap/profile.d; ln -s {0}/info /home/vcap/staging_info.yml; \
         ln -s {1} Procfile; mkfifo Staticfile",
        outside.display(),
        secret.display()
    );
    let staged = place.stage(&borrowed(&script(&run))).await.unwrap();
    assert_eq!(staged.process_types[&ProcessType::web()], "exec npm start");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[tokio::test]
async fn an_app_that_nothing_recognises_runs_with_a_command_of_its_own() {
    let mut place = Place::new();
    let files = [("run.pl", "print 1")];
    let told = place.failure(&files).await;
    assert!(told.starts_with("NoAppDetectedError: no runtime recognises this app. Found run.pl."));
    place.own_command = true;
    let staged = place.stage(&files).await.unwrap();
    assert_eq!(staged.buildpacks[0].name, "binary_buildpack");
    assert!(staged.process_types.is_empty());
}

#[tokio::test]
async fn mistakes_are_told_in_words() {
    let place = Place::new();
    let told = place
        .failure(&[("requirements.txt", ""), ("thing.py", "")])
        .await;
    assert!(
        told.starts_with("BuildpackReleaseFailed: nothing says how to start"),
        "{told}"
    );
    let told = place.failure(&[("Procfile", "just words")]).await;
    assert!(
        told.starts_with("BuildpackReleaseFailed: the Procfile is not"),
        "{told}"
    );
    let told = place.failure(&[("a.wasm", "\0asm\x01\0\0\0")]).await;
    assert!(
        told.contains("a.wasm is a core module, not a component"),
        "{told}"
    );
}

/// What `cf push -p app.jar` sends: the JAR's content.
#[tokio::test]
async fn the_content_of_a_jar_runs() {
    let place = Place::new();
    let folder = place.root.path().join("classes");
    let source = examples().join("java-jar/src/main/java/kr/pastina/example/Main.java");
    let compiled = std::process::Command::new("javac")
        .arg("-d")
        .args([&folder, &source])
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{compiled:?}");
    let class = std::fs::read(folder.join("kr/pastina/example/Main.class")).unwrap();
    let manifest = "Manifest-Version: 1.0\r\nMain-Class: kr.pastina.example.Main\r\n\r\n";
    let files = [
        ("META-INF/MANIFEST.MF", manifest.as_bytes().to_vec()),
        ("kr/pastina/example/Main.class", class),
    ];
    let (staged, answer) = place.staged_and_started(files.map(own).into(), 96).await;
    assert!(answer.contains("Hello from Java"), "{answer}");
    assert_eq!(staged.buildpacks[0].name, "java_buildpack");
}

fn own((path, content): (&str, Vec<u8>)) -> (String, Vec<u8>) {
    (path.to_owned(), content)
}

/// A project of pyproject.toml whose packages lie in `vendor`: no registry is asked.
#[tokio::test]
async fn vendored_python_packages_need_no_registry() {
    let place = Place::with(|config| {
        config
            .env
            .insert("PIP_INDEX_URL".to_owned(), "http://127.0.0.1:9/".to_owned());
    });
    let wheel = zip([
        ("greeting.py", b"TEXT = 'Hello from a wheel'\n".to_vec()),
        (
            "greeting-1.0.dist-info/METADATA",
            b"Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n".to_vec(),
        ),
        (
            "greeting-1.0.dist-info/WHEEL",
            b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
                .to_vec(),
        ),
        (
            "greeting-1.0.dist-info/RECORD",
            b"greeting.py,,\ngreeting-1.0.dist-info/METADATA,,\ngreeting-1.0.dist-info/WHEEL,,\n\
              greeting-1.0.dist-info/RECORD,,\n"
                .to_vec(),
        ),
    ]);
    let app = std::fs::read_to_string(examples().join("python-plain/app.py")).unwrap();
    let app = app.replace("b\"Hello from Python\\n\"", "greeting.TEXT.encode()");
    let app = format!("import greeting\n{app}");
    let files = [
        ("app.py", app.into_bytes()),
        ("requirements.txt", b"greeting==1.0\n".to_vec()),
        ("vendor/greeting-1.0-py3-none-any.whl", wheel),
        ("Procfile", b"web: python app.py\n".to_vec()),
    ];
    let (_, answer) = place.staged_and_started(files.map(own).into(), 64).await;
    assert!(answer.contains("Hello from a wheel"), "{answer}");
}

#[test]
fn builds_work_for_an_ordinary_user_too() {
    if !is_root() {
        return;
    }
    const USER: u32 = 1501;
    let copies = tempfile::tempdir().unwrap();
    std::fs::set_permissions(copies.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = |from: &Path| {
        let to = copies.path().join(from.file_name().unwrap());
        let copied = std::process::Command::new("cp")
            .arg("-r")
            .args([from, &to])
            .status();
        assert!(copied.unwrap().success());
        to
    };
    let scratch = copies.path().join("tmp");
    std::fs::create_dir(&scratch).unwrap();
    std::os::unix::fs::chown(&scratch, Some(USER), Some(USER)).unwrap();
    let result = std::process::Command::new(copy(&std::env::current_exe().unwrap()))
        .args(["build::", "--test-threads", "2"])
        // What takes long or needs a registry.
        .args(["flask", "express", "the_go", "the_java"].map(|name| format!("--skip={name}")))
        .env(PROGRAM, copy(&program()))
        .env(EXAMPLES, copy(&examples()))
        .env("TMPDIR", scratch)
        .env("RUST_BACKTRACE", "0")
        .current_dir("/")
        .uid(USER)
        .gid(USER)
        .output()
        .unwrap();
    assert!(
        result.status.success(),
        "{}",
        String::from_utf8_lossy(&result.stdout)
    );
}
