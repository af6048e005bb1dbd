//! A real daemon in a folder of its own.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, Weak},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Gid, Pid, Uid, chown},
};

use super::{eventually, leftovers, program};

/// How a daemon differs from the usual.
#[derive(Debug, Default, Clone)]
pub(crate) struct Setup {
    /// More arguments for `pastina serve`.
    pub(crate) arguments: Vec<String>,
    /// Another user to run it as.
    pub(crate) user: Option<u32>,
    /// Size in MiB of a file system for the state alone, which nobody else sees.
    pub(crate) disk: Option<u32>,
}

/// A running `pastina serve`, ended with all its apps when it is dropped, which checks that
/// nothing is left of them.
pub(crate) struct Daemon {
    dir: tempfile::TempDir,
    child: Option<Child>,
    setup: Setup,
}

impl Daemon {
    /// Starts a daemon on free ports and waits until it is ready.
    pub(crate) fn start() -> Self {
        Self::with(Setup::default())
    }

    /// Starts a daemon that is set up otherwise.
    pub(crate) fn with(setup: Setup) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("pastina-it-")
            .tempdir()
            .unwrap();
        // Apps have user ids of their own and pass through to their files.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        if let Some(user) = setup.user {
            fs::copy(program(), dir.path().join("pastina")).unwrap();
            for path in [
                dir.path().to_owned(),
                dir.path().join("home"),
                dir.path().join("state"),
            ] {
                chown(&path, Some(Uid::from_raw(user)), Some(Gid::from_raw(user))).unwrap();
            }
        }
        let child = None;
        let mut daemon = Self { dir, child, setup };
        daemon.spawn();
        daemon
    }

    /// The daemon that tests share which need none of their own; it ends with the last of them.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Daemon>> = Mutex::new(Weak::new());
        let mut shared = SHARED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(daemon) = shared.upgrade() {
            return daemon;
        }
        let daemon = Arc::new(Self::start());
        *shared = Arc::downgrade(&daemon);
        daemon
    }

    /// Starts the daemon again on what its predecessor left, on the same ports.
    pub(crate) fn spawn(&mut self) {
        self.launch();
        self.wait_until_ready();
    }

    fn launch(&mut self) {
        let known = self.ports();
        let port = |key: &str| {
            known
                .as_ref()
                .map_or("127.0.0.1:0", |all| all[key].as_str().unwrap())
        };
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .unwrap();
        let _ = fs::remove_file(self.endpoint_file());
        let child = self
            .command()
            .arg("serve")
            .args(["--state-dir".as_ref(), self.state_dir().as_os_str()])
            .args([
                "--http",
                port("http_listen"),
                "--https",
                port("https_listen"),
            ])
            .args(["--set", &format!("listen.ssh={}", port("ssh_listen"))])
            .args(["--domain", "localhost"])
            .args(&self.setup.arguments)
            .env("PASTINA_RUN_DIR", self.run_dir())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    fn wait_until_ready(&mut self) {
        let found = eventually("the daemon to be ready", || {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("pastina serve ended with {status}:\n{}", self.log());
            }
            self.endpoint()
        });
        fs::write(self.ports_file(), found.to_string()).unwrap();
    }

    /// Our binary as the daemon's user, with the daemon's disk.
    fn command(&self) -> Command {
        let mut command = if let Some(size) = self.setup.disk {
            let script =
                format!("mount -t tmpfs -o size={size}m,mode=711 none \"$0\" && exec \"$@\"");
            let mut command = Command::new("unshare");
            command
                .args(["--mount", "--propagation", "slave", "sh", "-c", &script])
                .arg(self.state_dir())
                .arg(program());
            command
        } else {
            self.client()
        };
        command
            .env("HOME", self.home())
            .env_remove("NOTIFY_SOCKET")
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_STATE_HOME");
        command
    }

    /// Our binary as the daemon's user.
    pub(crate) fn client(&self) -> Command {
        let mut command = if let Some(user) = self.setup.user {
            let mut command = Command::new("setpriv");
            let user = user.to_string();
            command
                .args(["--reuid", &user, "--regid", &user, "--clear-groups"])
                .arg(self.dir.path().join("pastina"));
            command
        } else {
            Command::new(program())
        };
        command.env("HOME", self.home());
        command
    }

    /// Kills the daemon, and nothing but the daemon.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends the daemon a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
    }

    /// Ends the daemon with a signal and waits until it has ended well.
    #[track_caller]
    pub(crate) fn end(&mut self, signal: Signal) {
        self.signal(signal);
        let status = self.child.take().unwrap().wait().unwrap();
        assert!(status.success(), "{status}:\n{}", self.log());
    }

    /// The daemon's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Where the API answers over HTTPS: `https://127.0.0.1:port`.
    pub(crate) fn https(&self) -> String {
        format!("https://{}", self.listen("https_listen"))
    }

    /// Where the gateway answers over HTTP: `127.0.0.1:port`.
    pub(crate) fn http(&self) -> String {
        self.listen("http_listen")
    }

    fn listen(&self, key: &str) -> String {
        self.ports().unwrap()[key].as_str().unwrap().to_owned()
    }

    /// Where SSH into instances is served: `127.0.0.1:port`.
    pub(crate) fn ssh(&self) -> String {
        self.listen("ssh_listen")
    }

    /// The admin's password, from the file that the daemon made.
    pub(crate) fn admin_password(&self) -> String {
        let file = self.ports().unwrap()["admin_password_file"].clone();
        let file = self.inside(Path::new(file.as_str().unwrap()));
        fs::read_to_string(file).unwrap().trim().to_owned()
    }

    /// A file as the daemon sees it.
    pub(crate) fn inside(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid()));
        root.join(path.strip_prefix("/").unwrap())
    }

    fn endpoint_file(&self) -> PathBuf {
        self.run_dir().join("endpoint.json")
    }

    /// What the daemon says about itself while it runs.
    fn endpoint(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&fs::read(self.endpoint_file()).ok()?).ok()
    }

    fn ports_file(&self) -> PathBuf {
        self.dir.path().join("ports.json")
    }

    /// What the first daemon said about itself, which its successors keep to.
    fn ports(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&fs::read(self.ports_file()).ok()?).ok()
    }

    /// The home folder of the daemon's user.
    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// The daemon's state folder.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The daemon's run folder.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("daemon.log")
    }

    /// What the daemon said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Asks for `http://host.localhost<path>` through the gateway: status and body.
    pub(crate) fn get(&self, host: &str, path: &str) -> (u16, String) {
        let output = Command::new("curl")
            .args(["-s", "--max-time", "20", "-w", "\n%{http_code}", "-H"])
            .arg(format!("Host: {host}.localhost"))
            .arg(format!("http://{}{path}", self.http()))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or(("", "0"));
        (status.parse().unwrap_or(0), body.to_owned())
    }

    /// Waits until nothing answers at `host` any more: an address without an instance, or none.
    pub(crate) fn get_gone(&self, host: &str) {
        eventually(&format!("{host} to be gone"), || {
            matches!(self.get(host, "/").0, 404 | 503).then_some(())
        });
    }

    /// Waits until the app at `host` answers 200, and gives the body.
    pub(crate) fn get_ok(&self, host: &str) -> String {
        eventually(&format!("{host} to answer"), || {
            let (status, body) = self.get(host, "/");
            (status == 200).then_some(body)
        })
    }
}

impl Drop for Daemon {
    #[expect(
        clippy::print_stderr,
        reason = "a test that fails shows what it prints"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the daemon said:\n{}", self.log());
        }
        if self.child.is_none() {
            // What is still there after a kill goes with a successor.
            self.launch();
            if !std::thread::panicking() {
                self.wait_until_ready();
            }
        }
        let Some(mut child) = self.child.take() else {
            return;
        };
        // SIGINT is a person's Ctrl-C: the daemon takes its apps with it. Before it has taken
        // over its signals it just ends, so one that is not ready yet is asked when it is.
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let _ = kill(pid, Signal::SIGINT);
        let _ = child.wait();
        let left = leftovers::of(self.dir.path());
        if std::thread::panicking() {
            eprintln!("--- left behind: {left:#?}");
        } else {
            // A shim tells of the end before it is gone itself.
            eventually(&format!("these to be gone: {left:#?}"), || {
                leftovers::of(self.dir.path()).is_empty().then_some(())
            });
        }
    }
}
