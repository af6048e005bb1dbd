//! The shim: the host's side of one sandbox. It outlives the daemon, so it is small, has one
//! thread and one poll(2) loop, and says what it knows through files and a socket in the
//! instance's folder, which is its working directory.

mod clients;
mod end;
mod flood;
mod output;
mod start;
mod watch;

use std::{
    fs,
    io::{self, Write},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::ExitCode,
};

use nix::{
    sys::prctl,
    unistd::{dup2_stdin, dup2_stdout, setsid},
};

use super::{
    SPEC_VERSION, Spec, Status,
    protocol::CONTROL,
    status::{Kept, KeptDisk, Process, VERSION},
    sys,
};

/// The file in the instance's folder that holds the [`Spec`].
pub(super) const SPEC: &str = "spec.json";

/// What the shim writes to its stdout when it can be spoken to; anything else is why it cannot.
pub(super) const READY: &str = "ready";

/// The role `sandbox-shim <folder>`: a sandbox's life, from its spec to its end.
#[must_use]
pub fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(2).map(PathBuf::from) else {
        return ExitCode::FAILURE;
    };
    let _ = sys::close_from(3);
    // A child of nobody who cares: the daemon may go, and leaves no zombie to collect.
    let _ = setsid();
    match sys::fork(0) {
        Ok(sys::Side::Child) => {}
        Ok(sys::Side::Parent { .. }) => return ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("cannot start a process: {error}"));
            return ExitCode::FAILURE;
        }
    }
    let _ = prctl::set_name(c"pastina-shim");
    match begin(&dir) {
        Ok((spec, listener, kept)) => {
            say(READY);
            let_go();
            watch::Shim::new(listener, kept).run(spec);
            ExitCode::SUCCESS
        }
        Err(reason) => {
            say(&reason);
            ExitCode::FAILURE
        }
    }
}

/// Tells the daemon, which reads until the end of the pipe.
fn say(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

/// Lets go of the daemon's pipe.
fn let_go() {
    if let Ok(null) = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
    {
        let _ = dup2_stdin(&null).and_then(|()| dup2_stdout(&null));
    }
}

fn begin(dir: &Path) -> Result<(Spec, UnixListener, Kept), String> {
    let told = |what: &str, error: &dyn std::fmt::Display| format!("cannot {what}: {error}");
    // Everything is named relative to the folder: a socket's path may have 108 bytes only.
    std::env::set_current_dir(dir)
        .map_err(|error| told(&format!("enter {}", dir.display()), &error))?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let text = fs::read(SPEC).map_err(|error| told("read spec.json", &error))?;
    let spec: Spec =
        serde_json::from_slice(&text).map_err(|error| told("read spec.json", &error))?;
    if spec.version != SPEC_VERSION {
        return Err(format!(
            "spec.json is of version {}, not {SPEC_VERSION}",
            spec.version
        ));
    }
    let listener = UnixListener::bind(CONTROL)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|error| told("make the control socket", &error))?;
    let pid = i32::try_from(std::process::id()).unwrap_or_default();
    let shim = Process::find(pid).map_err(|error| told("read /proc/self/stat", &error))?;
    let kept = Kept {
        version: VERSION,
        shim,
        init: None,
        group: None,
        disk: spec.disk.as_ref().map(|disk| KeptDisk {
            quota: disk.quota,
            image: disk.image.is_some(),
        }),
        weaker: Vec::new(),
        status: Status::Preparing,
    };
    kept.write(Path::new("."))
        .map_err(|error| told("write status.json", &error))?;
    Ok((spec, listener, kept))
}
