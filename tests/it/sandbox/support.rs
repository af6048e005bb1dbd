//! A sandbox to test, and what to ask of it.

use std::{fs, path::PathBuf, sync::OnceLock};

use pastina::{
    model::Exit,
    sandbox::{self, Ids, Sandbox, Spec, Status},
};
use tempfile::TempDir;

pub(crate) use crate::support::{PATIENCE, is_root, until};

use crate::support::program;

/// An instance's folder with what was asked for; the sandbox is killed when it goes.
pub(crate) struct Case {
    pub(crate) root: TempDir,
    pub(crate) spec: Spec,
}

/// A range that no other test has.
pub(crate) fn ids() -> Ids {
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

/// What a daemon does once, before its first sandbox.
pub(crate) fn prepare() {
    static PREPARED: OnceLock<()> = OnceLock::new();
    PREPARED.get_or_init(|| {
        sandbox::set_executable(program());
        let _ = sandbox::cgroup::prepare();
    });
}

/// A sandbox that runs `script` in a shell.
pub(crate) fn shell(script: &str) -> Case {
    prepare();
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
    let id = format!("test-{}-{name}", std::process::id());
    let argv = ["sh", "-c", script].map(str::to_owned);
    let spec = Spec {
        hostname: "box".to_owned(),
        ids: ids(),
        ..Spec::new(id, dir, argv)
    };
    Case { root, spec }
}

impl Case {
    /// A folder beside the instance's, filled.
    pub(crate) fn folder(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let path = self.root.path().join(name);
        for (file, text) in files {
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        path
    }

    pub(crate) async fn spawn(&self) -> Sandbox {
        sandbox::spawn(&self.spec).await.unwrap()
    }

    /// Runs to the end: how it ended, and what it wrote.
    pub(crate) async fn run(&self) -> (Exit, String) {
        let sandbox = self.spawn().await;
        let exit = ended(&sandbox).await;
        let output = output(&sandbox);
        self.left_nothing().await;
        sandbox.remove().await.unwrap();
        assert!(!self.spec.dir.exists());
        (exit, output)
    }

    /// Asserts that the host shows no trace of the sandbox but its folder.
    pub(crate) async fn left_nothing(&self) {
        let dir = self.spec.dir.to_str().unwrap();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(dir), "{mounts}");
        assert_eq!(groups(&self.spec.id), Vec::<PathBuf>::new());
        // The shim says goodbye just before its end.
        until("the shim to be gone", || processes_with(dir).is_empty()).await;
        until("its loop devices to be free", || loops(dir).is_empty()).await;
    }
}

impl Drop for Case {
    /// After a test that failed half-way.
    fn drop(&mut self) {
        for pid in processes_with(self.spec.dir.to_str().unwrap()) {
            let pid = nix::unistd::Pid::from_raw(pid);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
        // A group can be removed once the last process in it is gone; a test that failed has
        // said so already, and what cannot be removed does not add to it.
        for _ in 0..1000 {
            let groups = groups(&self.spec.id);
            if groups.iter().all(|group| fs::remove_dir(group).is_ok()) {
                break;
            }
            std::thread::yield_now();
        }
    }
}

/// Loop devices whose file has `text` in its path.
pub(crate) fn loops(text: &str) -> Vec<PathBuf> {
    let all = fs::read_dir("/sys/block").unwrap().flatten();
    all.map(|entry| entry.path())
        .filter(|device| {
            fs::read_to_string(device.join("loop/backing_file"))
                .is_ok_and(|file| file.contains(text))
        })
        .collect()
}

/// Processes whose command line names `text`.
pub(crate) fn processes_with(text: &str) -> Vec<i32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(text))
        })
        .collect()
}

/// Control groups of a sandbox, in every hierarchy.
pub(crate) fn groups(id: &str) -> Vec<PathBuf> {
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

pub(crate) async fn status(sandbox: &Sandbox, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut status = sandbox.status();
    let found = tokio::time::timeout(PATIENCE, status.wait_for(|now| wanted(now))).await;
    found.expect("in time").expect("the handle lives").clone()
}

pub(crate) async fn ended(sandbox: &Sandbox) -> Exit {
    match status(sandbox, |now| matches!(now, Status::Ended(_))).await {
        Status::Ended(exit) => exit,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn running(sandbox: &Sandbox) -> i32 {
    match status(sandbox, |now| !matches!(now, Status::Preparing)).await {
        Status::Running { pid } => pid,
        other => panic!("{other:?}"),
    }
}

/// Everything written so far, a line each.
pub(crate) fn output(sandbox: &Sandbox) -> String {
    let mut reader = sandbox.log(0).unwrap();
    std::iter::from_fn(|| reader.next().unwrap())
        .map(|record| format!("{}\n", String::from_utf8_lossy(&record.line)))
        .collect()
}

pub(crate) async fn says(sandbox: &Sandbox, text: &str) {
    until(text, || output(sandbox).contains(text)).await;
}

pub(crate) fn alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// The command's process as the host sees it: its parent is init, whose parent is the shim.
pub(crate) fn parent(pid: i32) -> i32 {
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
