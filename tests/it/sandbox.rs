//! Sandboxes as the daemon makes them, with the real program as shim and init.
//!
//! Run as root, everything is done twice: as root, and by the same tests in a child that is
//! an ordinary user.

use std::{
    collections::HashMap,
    fs,
    io::Write,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::{Duration, Instant},
};

use pastina::{
    model::Exit,
    sandbox::{self, Bind, Ids, Limits, Network, SPEC_VERSION, Sandbox, Spec, Status, log::Stream},
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Nothing here takes near as long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names the program where the tests run from a copy.
const PROGRAM: &str = "PASTINA_TEST_PROGRAM";

/// An instance's folder with what was asked for; the sandbox is killed when it goes.
struct Case {
    root: TempDir,
    spec: Spec,
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A range that no other test has.
fn ids() -> Ids {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if is_root() {
        Ids::Range {
            first: 200_000 + 65_536 * NEXT.fetch_add(1, Ordering::Relaxed),
        }
    } else {
        Ids::Own
    }
}

/// A sandbox that runs `script` in a shell.
fn shell(script: &str) -> Case {
    static PREPARED: OnceLock<()> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let program =
            std::env::var_os(PROGRAM).unwrap_or_else(|| env!("CARGO_BIN_EXE_pastina").into());
        sandbox::set_executable(program.into());
        let _ = sandbox::cgroup::prepare();
    });
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("instance");
    fs::create_dir(&dir).unwrap();
    let name = root
        .path()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .trim_start_matches('.')
        .to_owned();
    let spec = Spec {
        version: SPEC_VERSION,
        id: format!("test-{}-{name}", std::process::id()),
        dir,
        home: None,
        home_writable: false,
        binds: Vec::new(),
        argv: ["sh", "-c", script].map(str::to_owned).into(),
        env: vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())],
        cwd: "/home/vcap".to_owned(),
        hostname: "box".to_owned(),
        ids: ids(),
        network: Network::Isolated,
        limits: Limits::default(),
        log_bytes: 1 << 20,
    };
    Case { root, spec }
}

impl Case {
    /// A folder beside the instance's, filled.
    fn folder(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let path = self.root.path().join(name);
        for (file, text) in files {
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        path
    }

    async fn spawn(&self) -> Sandbox {
        sandbox::spawn(&self.spec).await.unwrap()
    }

    /// Runs to the end: how it ended, and what it wrote.
    async fn run(&self) -> (Exit, String) {
        let sandbox = self.spawn().await;
        let exit = ended(&sandbox).await;
        let output = output(&sandbox);
        self.left_nothing().await;
        sandbox.remove().await.unwrap();
        assert!(!self.spec.dir.exists());
        (exit, output)
    }

    /// Asserts that the host shows no trace of the sandbox but its folder.
    async fn left_nothing(&self) {
        let dir = self.spec.dir.to_str().unwrap();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(dir), "{mounts}");
        assert_eq!(groups(&self.spec.id), Vec::<PathBuf>::new());
        // The shim says goodbye just before its end.
        until("the shim to be gone", || processes_with(dir).is_empty()).await;
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        for pid in processes_with(self.spec.dir.to_str().unwrap()) {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
    }
}

/// Processes whose command line names `text`.
fn processes_with(text: &str) -> Vec<i32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(text))
        })
        .collect()
}

/// Control groups of a sandbox, in every hierarchy.
fn groups(id: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy().contains(id) {
                    found.push(entry.path());
                }
                folders.push(entry.path());
            }
        }
    }
    found
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn status(sandbox: &Sandbox, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut status = sandbox.status();
    let found = tokio::time::timeout(PATIENCE, status.wait_for(|now| wanted(now))).await;
    found.expect("in time").expect("the handle lives").clone()
}

async fn ended(sandbox: &Sandbox) -> Exit {
    match status(sandbox, |now| matches!(now, Status::Ended(_))).await {
        Status::Ended(exit) => exit,
        other => panic!("{other:?}"),
    }
}

async fn running(sandbox: &Sandbox) -> i32 {
    match status(sandbox, |now| !matches!(now, Status::Preparing)).await {
        Status::Running { pid } => pid,
        other => panic!("{other:?}"),
    }
}

/// Everything written so far, a line each.
fn output(sandbox: &Sandbox) -> String {
    let mut reader = sandbox.log(0).unwrap();
    std::iter::from_fn(|| reader.next().unwrap())
        .map(|record| format!("{}\n", String::from_utf8_lossy(&record.line)))
        .collect()
}

async fn says(sandbox: &Sandbox, text: &str) {
    until(text, || output(sandbox).contains(text)).await;
}

fn alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// The command's process as the host sees it: its parent is init, whose parent is the shim.
fn parent(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ")
        .unwrap()
        .1
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_command_runs_and_its_output_and_exit_code_are_told() {
    let case = shell("echo out; echo err >&2; printf unfinished; exit 3");
    let sandbox = case.spawn().await;
    assert_eq!(ended(&sandbox).await, Exit::Code { code: 3 });
    let mut reader = sandbox.log(0).unwrap();
    let mut records: Vec<(Stream, String)> = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        assert!(record.at_ns > 0);
        records.push((
            record.stream,
            String::from_utf8_lossy(&record.line).into_owned(),
        ));
    }
    records.sort_by_key(|(stream, _)| *stream == Stream::Err);
    let expected = [
        (Stream::Out, "out"),
        (Stream::Out, "unfinished"),
        (Stream::Err, "err"),
    ];
    assert_eq!(
        records,
        expected.map(|(stream, line)| (stream, line.to_owned()))
    );
    assert_eq!(*sandbox.logged().borrow(), reader.offset());
    case.left_nothing().await;
    sandbox.remove().await.unwrap();
}

#[tokio::test]
async fn a_signal_that_ends_the_command_is_told() {
    assert_eq!(
        shell("kill -SEGV $$").run().await.0,
        Exit::Signal { signal: 11 }
    );
}

#[tokio::test]
async fn a_command_that_is_not_there_is_told() {
    let mut case = shell("");
    case.spec.argv = vec!["no-such-program".to_owned()];
    match case.run().await.0 {
        Exit::NotStarted { reason } => {
            assert!(reason.contains("no-such-program: not found"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_bind_that_is_not_there_is_told() {
    let mut case = shell("");
    let source = PathBuf::from("/no/such/folder");
    case.spec.binds = vec![Bind {
        source,
        target: "/mnt/x".into(),
        writable: false,
    }];
    match case.run().await.0 {
        Exit::NotStarted { reason } => assert!(reason.contains("/no/such/folder"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn stopping_lets_the_command_finish_in_the_grace_time() {
    let case = shell("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done");
    let sandbox = case.spawn().await;
    says(&sandbox, "ready").await;
    sandbox.stop(PATIENCE);
    assert_eq!(ended(&sandbox).await, Exit::Stopped { killed: false });
    assert!(output(&sandbox).contains("bye"));
    case.left_nothing().await;
}

#[tokio::test]
async fn what_does_not_stop_is_killed_and_a_second_stop_shortens() {
    let case = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    let sandbox = case.spawn().await;
    says(&sandbox, "ready").await;
    sandbox.stop(Duration::from_secs(3600));
    sandbox.stop(Duration::from_millis(50));
    assert_eq!(ended(&sandbox).await, Exit::Stopped { killed: true });
    case.left_nothing().await;
}

#[tokio::test]
async fn what_the_command_leaves_behind_inside_is_killed_with_it() {
    let case = shell("(setsid sleep 1000 &) ; (setsid sleep 1000 &); echo started");
    assert_eq!(case.run().await.0, Exit::Code { code: 0 });
}

#[tokio::test]
async fn too_much_memory_ends_as_out_of_memory() {
    let mut case = shell("python3 -c 'x = bytearray(400 << 20)'; echo survived; sleep 1000");
    case.spec.limits.memory = Some(64 << 20);
    if !limits_are_enforced(&case, "memory").await {
        return;
    }
    let (exit, output) = case.run().await;
    assert_eq!(exit, Exit::OutOfMemory, "{output}");
}

/// Whether the host lets this user set limits. Where not, a sandbox says so.
async fn limits_are_enforced(case: &Case, what: &str) -> bool {
    if sandbox::probe().cgroup.is_some() {
        return true;
    }
    assert!(!is_root(), "root has control groups");
    let sandbox = case.spawn().await;
    running(&sandbox).await;
    let weaker = sandbox.weaker();
    assert!(
        weaker.iter().any(|reason| reason.contains(what)),
        "{weaker:?}"
    );
    assert!(sandbox.usage().is_err());
    sandbox.stop(Duration::ZERO);
    ended(&sandbox).await;
    false
}

#[tokio::test]
async fn processes_are_limited_and_usage_is_told() {
    let mut case =
        shell("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1000 & done; echo done; wait");
    case.spec.limits.pids = Some(8);
    case.spec.limits.memory = Some(256 << 20);
    case.spec.limits.cpu_weight = Some(50);
    case.spec.limits.cpu_milli = Some(500);
    // By the control group, or by a limit of the user's where there is none.
    let sandbox = case.spawn().await;
    says(&sandbox, "fork").await;
    if let Ok(usage) = sandbox.usage() {
        assert!((2..=9).contains(&usage.pids), "{usage:?}");
        assert!(usage.memory > 0 && usage.memory < 256 << 20, "{usage:?}");
        assert!(!usage.cpu.is_zero());
    }
    sandbox.stop(Duration::ZERO);
    ended(&sandbox).await;
    case.left_nothing().await;
}

#[tokio::test]
async fn the_command_has_no_privileges() {
    let case = shell(
        "id -u; id -g; cat /proc/self/status; hostname; cat /proc/self/cgroup | cut -d: -f3 | sort -u; \
         ulimit -c; ulimit -n; ls /proc | grep -c '^[0-9]'; ls -l /proc/self/fd | wc -l; env | sort",
    );
    let (exit, output) = case.run().await;
    assert_eq!(exit, Exit::Code { code: 0 });
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[..2], ["2000", "2000"]);
    let fields: HashMap<&str, &str> = lines
        .iter()
        .filter_map(|line| line.split_once(":\t"))
        .collect();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(fields[set], "0000000000000000", "{set}");
    }
    assert_eq!(fields["NoNewPrivs"], "1");
    assert_eq!(fields["Seccomp"], "2");
    assert_eq!(fields["Seccomp_filters"], "2");
    assert_eq!(fields["SigBlk"], "0000000000000000");
    assert_eq!(fields["SigIgn"], "0000000000000000");
    let rest = lines
        .iter()
        .position(|line| *line == "box")
        .expect("the host name");
    assert_eq!(lines[rest + 1], "/", "{lines:?}");
    assert_eq!(lines[rest + 2], "0");
    assert!(lines[rest + 3].parse::<u64>().unwrap() <= 16_384);
    // Init, the shell and its pipe; the streams and the folder that is listed.
    assert!(lines[rest + 4].parse::<u32>().unwrap() <= 4, "{lines:?}");
    assert!(lines[rest + 5].parse::<u32>().unwrap() <= 5, "{lines:?}");
    let set = lines
        .iter()
        .filter(|line| line.contains('='))
        .filter(|line| !line.contains("PWD="))
        .count();
    assert!(set <= 3, "{lines:?}");
}

#[tokio::test]
async fn calls_that_reach_the_host_are_refused() {
    let mut case = shell("");
    case.spec.argv = ["python3", "-c", REFUSED].map(str::to_owned).into();
    let (exit, output) = case.run().await;
    assert_eq!(output, "all were called\n");
    assert_eq!(exit, Exit::Code { code: 0 });
}

/// Prints every call that is not refused as it should be.
const REFUSED: &str = r"
import ctypes, errno, platform, socket, fcntl
libc = ctypes.CDLL(None, use_errno=True)
def check(name, wanted, call):
    ctypes.set_errno(0)
    result = call()
    if result != -1 or ctypes.get_errno() not in wanted:
        print(name, result, errno.errorcode.get(ctypes.get_errno()))
EPERM, ENOSYS = (errno.EPERM,), (errno.ENOSYS,)
check('mount', EPERM, lambda: libc.mount(b'x', b'/tmp', b'tmpfs', 0, None))
check('umount', EPERM, lambda: libc.umount2(b'/proc', 2))
check('unshare', EPERM, lambda: libc.unshare(0x10000000))
check('setns', EPERM, lambda: libc.setns(0, 0))
check('ptrace', EPERM, lambda: libc.ptrace(0, 0, 0, 0))
check('chroot', EPERM, lambda: libc.chroot(b'/tmp'))
check('sethostname', EPERM, lambda: libc.sethostname(b'x', 1))
if platform.machine() == 'x86_64':
    call = libc.syscall
    check('clone newuser', EPERM, lambda: call(56, 0x10000000 | 17, 0, 0, 0, 0))
    check('clone newns', EPERM, lambda: call(56, 0x00020000 | 17, 0, 0, 0, 0))
    check('clone3', ENOSYS, lambda: call(435, 0, 0))
    check('bpf', EPERM, lambda: call(321, 0, 0, 0))
    check('keyctl', EPERM, lambda: call(250, 0, 0, 0, 0, 0))
    check('add_key', EPERM, lambda: call(248, 0, 0, 0, 0, 0))
    check('perf_event_open', EPERM, lambda: call(298, 0, 0, 0, 0, 0))
    check('userfaultfd', EPERM, lambda: call(323, 0))
    check('io_uring_setup', EPERM, lambda: call(425, 1, 0))
    check('open_by_handle_at', EPERM, lambda: call(304, 0, 0, 0))
    check('kexec_load', EPERM, lambda: call(246, 0, 0, 0, 0))
    check('init_module', EPERM, lambda: call(175, 0, 0, 0))
    check('unknown', ENOSYS, lambda: call(9999))
    check('x32', ENOSYS, lambda: call(0x40000000 + 39))
check('ioctl TIOCSTI', EPERM, lambda: libc.ioctl(0, 0x5412, b'x'))
check('packet socket', ENOSYS, lambda: libc.socket(17, 3, 0))
check('alg socket', ENOSYS, lambda: libc.socket(38, 5, 0))
print('all were called')
";

#[tokio::test]
async fn the_host_is_out_of_sight_and_cannot_be_written() {
    let mut case = shell(
        "cd /; ls -a / | tr '\\n' ' '; echo; ls /sys /root /run | wc -l; cat /proc/kcore | wc -c; \
         for f in /usr/x /etc/x /x /dev/x /proc/sys/kernel/hostname /etc/passwd /sys/x /etc/ssl/x /home/x; do \
           (echo x > $f) 2>/dev/null && echo written $f; done; \
         for d in null zero full random urandom tty shm pts; do [ -e /dev/$d ] || echo missing $d; done; \
         echo x > /dev/null && echo x > /dev/shm/x && echo x > /tmp/x && echo x > /home/vcap/tmp/x && echo writable; \
         echo via > /dev/stdout; cat /etc/hosts; getent passwd vcap; ls -ld /tmp | cut -c1-10; \
         grep -c . /proc/self/mountinfo",
    );
    case.spec.env.push(("LC_ALL".to_owned(), "C".to_owned()));
    let secret = case.folder("secret", &[("file", "")]);
    let (exit, output) = case.run().await;
    assert_eq!(exit, Exit::Code { code: 0 }, "{output}");
    let mut lines = output.lines();
    let root: Vec<&str> = lines
        .next()
        .unwrap()
        .split_whitespace()
        .filter(|name| !name.starts_with("lib"))
        .collect();
    let expected = [
        ".", "..", "bin", "dev", "etc", "home", "proc", "root", "run", "sbin", "sys", "tmp", "usr",
        "var",
    ];
    assert_eq!(root, expected);
    assert!(
        !output.contains("written") && !output.contains("missing"),
        "{output}"
    );
    for text in [
        "\n0\n",
        "writable",
        "via",
        "127.0.0.1 localhost box",
        "vcap:x:2000:2000",
        "drwxrwxrwt",
    ] {
        assert!(output.contains(text), "{text}: {output}");
    }
    assert!(secret.exists());
}

#[tokio::test]
async fn writes_to_the_home_stay_private() {
    let script = "cat app/file; echo changed > app/file; echo new > app/new; rm app/gone; mkdir d; \
                  stat -c %u app/file; cat app/file; ls app; ls -ld /home/vcap | cut -c1-10";
    let mut case = shell(script);
    let home = case.folder(
        "home",
        &[("app/file", "original\n"), ("app/gone", "still here\n")],
    );
    case.spec.home = Some(home.clone());
    let sandbox = case.spawn().await;
    let exit = ended(&sandbox).await;
    let output = output(&sandbox);
    assert_eq!(exit, Exit::Code { code: 0 }, "{output}");
    assert_eq!(output, "original\n2000\nchanged\nfile\nnew\ndrwxr-xr-x\n");
    assert_eq!(
        sandbox
            .weaker()
            .iter()
            .filter(|reason| reason.contains("copied"))
            .count(),
        0
    );
    assert_eq!(
        fs::read_to_string(home.join("app/file")).unwrap(),
        "original\n"
    );
    assert!(home.join("app/gone").exists() && !home.join("app/new").exists());
    sandbox.remove().await.unwrap();
    assert!(!case.spec.dir.exists());
}

#[tokio::test]
async fn a_writable_home_and_binds_are_the_hosts_own() {
    let mut case = shell(
        "echo built > result && cat /opt/tool/x && echo kept > /cache/deep/y && \
         (echo no > /opt/tool/x) 2>/dev/null; cat /cache/deep/y",
    );
    let home = case.folder("home", &[("app/file", "")]);
    let tool = case.folder("tool", &[("x", "tool\n")]);
    let cache = case.folder("cache", &[("x", "")]);
    for folder in [&home, &tool, &cache] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    case.spec.home = Some(home.clone());
    case.spec.home_writable = true;
    let bind = |source: &Path, target: &str, writable| Bind {
        source: source.to_owned(),
        target: target.into(),
        writable,
    };
    case.spec.binds = vec![
        bind(&tool, "/opt/tool", false),
        bind(&cache, "/cache/deep", true),
    ];
    let (exit, output) = case.run().await;
    assert_eq!(
        (exit, output.as_str()),
        (Exit::Code { code: 0 }, "tool\nkept\n")
    );
    assert_eq!(fs::read_to_string(home.join("result")).unwrap(), "built\n");
    assert_eq!(fs::read_to_string(cache.join("y")).unwrap(), "kept\n");
    assert_eq!(fs::read_to_string(tool.join("x")).unwrap(), "tool\n");
}

#[tokio::test]
async fn dial_reaches_the_command_and_nothing_on_the_hosts_network() {
    let mut case = shell("exec python3 -u -m http.server 8080 --bind 127.0.0.1");
    let home = case.folder("home", &[("hello", "from inside")]);
    case.spec.home = Some(home);
    let sandbox = case.spawn().await;
    running(&sandbox).await;
    let deadline = Instant::now() + PATIENCE;
    let mut stream = loop {
        match sandbox::dial(&case.spec.dir, 8080).await {
            Ok(stream) => break stream,
            Err(error) => {
                assert_eq!(
                    error.raw_os_error(),
                    Some(nix::libc::ECONNREFUSED),
                    "{error}"
                );
                assert!(Instant::now() < deadline);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    assert!(stream.nodelay().unwrap());
    stream
        .write_all(b"GET /hello HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("from inside"), "{answer}");

    // A port of the host's loopback is not one of the sandbox's.
    let host = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = sandbox::dial(&case.spec.dir, host.local_addr().unwrap().port())
        .await
        .unwrap_err();
    assert_eq!(error.raw_os_error(), Some(nix::libc::ECONNREFUSED));

    // Garbage and peers that say nothing are in nobody's way.
    let socket = fs::File::open(&case.spec.dir).unwrap();
    let path = format!(
        "/proc/self/fd/{}/connect.sock",
        std::os::fd::AsRawFd::as_raw_fd(&socket)
    );
    let silent: Vec<_> = (0..600)
        .map(|_| std::os::unix::net::UnixStream::connect(&path).unwrap())
        .collect();
    let mut garbage = std::os::unix::net::UnixStream::connect(&path).unwrap();
    garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let dials = (0..50).map(|_| sandbox::dial(&case.spec.dir, 8080));
    for dialled in futures_util::future::join_all(dials).await {
        dialled.unwrap();
    }
    drop(silent);

    sandbox.stop(PATIENCE);
    ended(&sandbox).await;
    sandbox::dial(&case.spec.dir, 8080).await.unwrap_err();
    case.left_nothing().await;
}

#[tokio::test]
async fn a_host_network_is_the_hosts() {
    let mut case = shell("");
    case.spec.network = Network::Host;
    let host = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = host.local_addr().unwrap().port().to_string();
    let code = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1]))); print('through')";
    case.spec.argv = ["python3", "-c", code, &port].map(str::to_owned).into();
    assert_eq!(
        case.run().await,
        (Exit::Code { code: 0 }, "through\n".to_owned())
    );
}

#[tokio::test]
async fn a_later_daemon_adopts_and_reads_on() {
    let case =
        shell("echo one; while [ ! -e /home/vcap/go ]; do sleep 0.02; done; echo two; sleep 1000");
    let mut case = case;
    let home = case.folder("home", &[("x", "")]);
    case.spec.home = Some(home.clone());
    case.spec.home_writable = true;
    let first = case.spawn().await;
    let pid = running(&first).await;
    says(&first, "one").await;
    let mut reader = first.log(0).unwrap();
    assert_eq!(&reader.next().unwrap().unwrap().line[..], b"one");
    let offset = reader.offset();
    drop(first);

    let mut adopted = sandbox::adopt_all(case.root.path()).await.unwrap();
    adopted.retain(|(dir, _)| *dir == case.spec.dir);
    let second = adopted.remove(0).1.unwrap();
    assert_eq!(running(&second).await, pid);
    fs::write(home.join("go"), "").unwrap();
    let mut logged = second.logged();
    tokio::time::timeout(PATIENCE, logged.wait_for(|end| *end > offset))
        .await
        .unwrap()
        .unwrap();
    let mut reader = second.log(offset).unwrap();
    assert_eq!(&reader.next().unwrap().unwrap().line[..], b"two");
    second.stop(Duration::ZERO);
    ended(&second).await;

    // One that comes when all is over learns how it ended.
    let third = sandbox::adopt(&case.spec.dir).await.unwrap();
    assert_eq!(ended(&third).await, Exit::Stopped { killed: true });
    third.remove().await.unwrap();
}

#[tokio::test]
async fn the_end_of_the_shim_is_the_end_of_everything_inside() {
    let case = shell("(setsid sleep 1000 &); echo ready; sleep 1000");
    let sandbox = case.spawn().await;
    let command = running(&sandbox).await;
    says(&sandbox, "ready").await;
    let init = parent(command);
    let shim = parent(init);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(shim),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    assert_eq!(ended(&sandbox).await, Exit::Lost);
    until("init to be gone", || !alive(init) && !alive(command)).await;
    case.left_nothing().await;
    // It is written down, for the daemon after this one.
    let again = sandbox::adopt(&case.spec.dir).await.unwrap();
    assert_eq!(ended(&again).await, Exit::Lost);
    again.remove().await.unwrap();
}

#[tokio::test]
async fn the_end_of_init_is_the_end_of_everything_inside() {
    let case = shell("echo ready; sleep 1000");
    let sandbox = case.spawn().await;
    let command = running(&sandbox).await;
    let init = parent(command);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(init),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    assert_eq!(ended(&sandbox).await, Exit::Signal { signal: 9 });
    assert!(!alive(command));
    case.left_nothing().await;
}

#[tokio::test]
async fn a_sandbox_survives_who_started_it_and_is_nobodys_zombie() {
    let case = shell("sleep 1000");
    let sandbox = case.spawn().await;
    let shim = parent(parent(running(&sandbox).await));
    assert_ne!(parent(shim), i32::try_from(std::process::id()).unwrap());
    let session = |pid: i32| nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(pid))).unwrap();
    assert_ne!(session(shim), nix::unistd::getsid(None).unwrap());
    let environment = fs::read(format!("/proc/{shim}/environ")).unwrap();
    assert_eq!(environment, b"");
    sandbox.stop(Duration::ZERO);
    ended(&sandbox).await;
}

#[tokio::test]
async fn dial_reaches_a_command_that_listens_on_ipv6_alone() {
    let case = shell("exec python3 -u -m http.server 8080 --bind ::1");
    let sandbox = case.spawn().await;
    running(&sandbox).await;
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = sandbox::dial(&case.spec.dir, 8080).await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sandbox.stop(Duration::ZERO);
    ended(&sandbox).await;
}

#[tokio::test]
async fn garbage_and_too_many_listeners_do_not_harm_a_sandbox() {
    let case = shell("echo ready; sleep 1000");
    let sandbox = case.spawn().await;
    running(&sandbox).await;
    let folder = fs::File::open(&case.spec.dir).unwrap();
    let path = format!(
        "/proc/self/fd/{}/control.sock",
        std::os::fd::AsRawFd::as_raw_fd(&folder)
    );
    let connect = || std::os::unix::net::UnixStream::connect(&path).unwrap();
    let listeners: Vec<_> = (0..40).map(|_| connect()).collect();
    for garbage in [
        &b"{\n\n\0[]]\n"[..],
        b"{\"stop\":{\"grace_ms\":-1}}\n",
        &[b'x'; 100_000],
    ] {
        let _ = connect().write_all(garbage);
    }
    // One more than are taken in: it waits for its turn and does not take the sandbox for lost.
    let late = sandbox::adopt(&case.spec.dir).await.unwrap();
    drop(listeners);
    assert!(matches!(*sandbox.status().borrow(), Status::Running { .. }));
    late.stop(Duration::from_secs(u64::MAX));
    late.stop(Duration::ZERO);
    drop(late);
    assert!(matches!(ended(&sandbox).await, Exit::Stopped { .. }));
    case.left_nothing().await;
}

#[tokio::test]
async fn many_start_at_once() {
    let cases: Vec<Case> = (0..20).map(|_| shell("echo one")).collect();
    for (exit, output) in futures_util::future::join_all(cases.iter().map(Case::run)).await {
        assert_eq!((exit, output.as_str()), (Exit::Code { code: 0 }, "one\n"));
    }
}

#[tokio::test]
async fn much_output_is_kept_within_its_bounds() {
    let mut case = shell("i=0; while [ $i -lt 20000 ]; do echo line $i of many; i=$((i+1)); done");
    case.spec.log_bytes = 300_000;
    let sandbox = case.spawn().await;
    assert_eq!(ended(&sandbox).await, Exit::Code { code: 0 });
    let size: u64 = ["log.0", "log.1"]
        .iter()
        .map(|name| fs::metadata(case.spec.dir.join(name)).unwrap().len())
        .sum();
    assert!(size < 400_000, "{size}");
    assert!(output(&sandbox).ends_with("line 19998 of many\nline 19999 of many\n"));
}

#[tokio::test]
async fn a_folder_with_a_long_path_is_no_obstacle() {
    let mut case = shell("sleep 1000");
    let dir = case.root.path().join("d".repeat(100)).join("e".repeat(100));
    fs::create_dir_all(&dir).unwrap();
    case.spec.dir = dir;
    let sandbox = case.spawn().await;
    running(&sandbox).await;
    let refused = sandbox::dial(&case.spec.dir, 1).await.unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(nix::libc::ECONNREFUSED));
    sandbox.stop(Duration::ZERO);
    assert_eq!(ended(&sandbox).await, Exit::Stopped { killed: true });
}

#[tokio::test]
async fn shim_and_init_together_have_at_most_2_mb_of_their_own() {
    let case = shell("sleep 1000");
    let sandbox = case.spawn().await;
    let init = parent(running(&sandbox).await);
    let private = |pid: i32| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        text.lines()
            .filter(|line| line.starts_with("Private_"))
            .map(|line| {
                line.split_whitespace()
                    .nth(1)
                    .unwrap()
                    .parse::<u64>()
                    .unwrap()
            })
            .sum::<u64>()
    };
    // Init hides its memory from the ordinary user who started it.
    if is_root() {
        let together = private(init) + private(parent(init));
        assert!(together <= 2048, "{together} kB");
    }
    sandbox.stop(Duration::ZERO);
    ended(&sandbox).await;
}

#[test]
fn all_of_it_holds_for_an_ordinary_user_too() {
    if !is_root() {
        return;
    }
    const USER: u32 = 1500;
    let copies = tempfile::tempdir().unwrap();
    fs::set_permissions(copies.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = |from: &Path| {
        let to = copies.path().join(from.file_name().unwrap());
        fs::copy(from, &to).unwrap();
        to
    };
    let tests = copy(&std::env::current_exe().unwrap());
    let program = copy(Path::new(env!("CARGO_BIN_EXE_pastina")));
    let scratch = copies.path().join("tmp");
    fs::create_dir(&scratch).unwrap();
    std::os::unix::fs::chown(&scratch, Some(USER), Some(USER)).unwrap();
    let result = Command::new(tests)
        .args(["sandbox::", "--test-threads", "2"])
        .env(PROGRAM, program)
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
