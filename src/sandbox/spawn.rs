//! Starting a shim.

use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use super::{
    Sandbox, SandboxError, Spec,
    shim::{READY, SPEC},
    status::Doing,
};

/// Where a shim writes what should never be said.
const LAST_WORDS: &str = "shim.err";

static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();

/// Names the program that shims are started from, where it is not the one that runs: a test
/// is not the platform. The first call counts; false where it was not the first.
pub fn set_executable(path: PathBuf) -> bool {
    EXECUTABLE.set(path).is_ok()
}

/// Starts the sandbox that `spec` describes and returns as soon as its shim runs.
///
/// # Errors
/// Where the shim could not be started. What fails later is told by [`Sandbox::status`] as
/// [`Exit::NotStarted`](crate::model::Exit::NotStarted).
pub async fn spawn(spec: &Spec) -> Result<Sandbox, SandboxError> {
    let dir = spec.dir.clone();
    let text = serde_json::to_vec(spec).doing(|| "write the spec".to_owned())?;
    let task = tokio::task::spawn_blocking(move || start(&dir, &text).map(|()| dir));
    let dir = task
        .await
        .map_err(std::io::Error::other)
        .doing(|| "start a shim".to_owned())??;
    super::adopt(&dir).await
}

fn start(dir: &Path, spec: &[u8]) -> Result<(), SandboxError> {
    let private = |name: &str| {
        let path = dir.join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        file.doing(|| format!("make {}", path.display()))
    };
    private(SPEC)?
        .write_all(spec)
        .doing(|| format!("write the spec in {}", dir.display()))?;
    let last_words = private(LAST_WORDS)?;
    // The link stays right when the file behind it is replaced by a newer version.
    let program = EXECUTABLE
        .get()
        .map_or(Path::new("/proc/self/exe"), PathBuf::as_path);
    let mut first = Command::new(program)
        .arg("sandbox-shim")
        .arg(fs::canonicalize(dir).doing(|| format!("find {}", dir.display()))?)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(last_words)
        .spawn()
        .doing(|| format!("start a shim from {}", program.display()))?;
    // The first process is gone at once; the shim is its child, and holds the pipe until it
    // can be spoken to.
    let mut said = String::new();
    let read = first
        .stdout
        .take()
        .map(|mut stdout| stdout.read_to_string(&mut said));
    first
        .wait()
        .doing(|| "wait for the shim to start".to_owned())?;
    read.transpose().doing(|| "listen to the shim".to_owned())?;
    if said == READY {
        return Ok(());
    }
    let words = fs::read_to_string(dir.join(LAST_WORDS)).unwrap_or_default();
    Err(SandboxError::Shim {
        reason: format!("{said}{}", words.trim_end()),
    })
}
