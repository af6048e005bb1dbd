//! A real daemon in a folder of its own.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use super::{eventually, pastina};

/// A running `pastina serve`, ended with all its apps when it is dropped.
pub struct Daemon {
    dir: tempfile::TempDir,
    child: Option<Child>,
    arguments: Vec<String>,
}

impl Daemon {
    /// Starts a daemon on free ports and waits until it is ready.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a daemon with more arguments for `pastina serve`.
    pub fn with(arguments: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("pastina-it-").tempdir().unwrap();
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut daemon = Self { dir, child: None, arguments };
        daemon.spawn();
        daemon
    }

    /// Starts the daemon again on what its predecessor left, on the same ports.
    pub fn spawn(&mut self) {
        let address = |key: &str, fallback: &str| {
            self.endpoint().and_then(|found| Some(found[key].as_str()?.to_owned())).unwrap_or_else(|| fallback.to_owned())
        };
        let (http, https) =
            (address("http_listen", "127.0.0.1:0"), address("https_listen", "127.0.0.1:0"));
        let _ = fs::remove_file(self.endpoint_file());
        let log = fs::File::options().create(true).append(true).open(self.log_file()).unwrap();
        let child = Command::new(pastina())
            .arg("serve")
            .args(["--state-dir".as_ref(), self.state_dir().as_os_str()])
            .args(["--http", &http, "--https", &https, "--domain", "localhost"])
            .args(&self.arguments)
            .env("PASTINA_RUN_DIR", self.run_dir())
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
        eventually("the daemon to be ready", || {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().unwrap()) {
                panic!("pastina serve ended with {status}:\n{}", self.log());
            }
            self.endpoint()
        });
    }

    /// Kills the daemon, and nothing but the daemon.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The daemon's process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Where the API answers over HTTPS: `https://127.0.0.1:port`.
    pub fn https(&self) -> String {
        format!("https://{}", self.listen("https_listen"))
    }

    /// Where the gateway answers over HTTP: `127.0.0.1:port`.
    pub fn http(&self) -> String {
        self.listen("http_listen")
    }

    fn listen(&self, key: &str) -> String {
        self.endpoint().unwrap()[key].as_str().unwrap().to_owned()
    }

    /// The admin's password, from the file that the daemon made.
    pub fn admin_password(&self) -> String {
        let endpoint = self.endpoint().unwrap();
        let file = endpoint["admin_password_file"].as_str().unwrap();
        fs::read_to_string(file).unwrap().trim().to_owned()
    }

    fn endpoint_file(&self) -> PathBuf {
        self.run_dir().join("endpoint.json")
    }

    fn endpoint(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&fs::read(self.endpoint_file()).ok()?).ok()
    }

    /// The daemon's state folder.
    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The daemon's run folder.
    pub fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("daemon.log")
    }

    /// What the daemon said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Asks for `http://host.localhost<path>` through the gateway: status and body.
    pub fn get(&self, host: &str, path: &str) -> (u16, String) {
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

    /// Waits until the app at `host` answers 200, and gives the body.
    pub fn get_ok(&self, host: &str) -> String {
        eventually(&format!("{host} to answer"), || {
            let (status, body) = self.get(host, "/");
            (status == 200).then_some(body)
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the daemon said:\n{}", self.log());
        }
        // SIGINT is a person's Ctrl-C: the daemon takes its apps with it.
        if self.child.is_none() {
            self.spawn();
        }
        if let Some(mut child) = self.child.take() {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT);
            let _ = child.wait();
        }
    }
}

