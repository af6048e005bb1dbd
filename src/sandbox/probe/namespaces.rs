//! Whether sandboxes can be made at all.

use std::fs;

use nix::{
    libc,
    sys::wait::{WaitStatus, waitpid},
    unistd::Pid,
};

use super::Finding;
use crate::sandbox::sys;

/// What it is about in every case.
const WHAT: &str = "sandboxes";

/// Tries what every sandbox needs first. Some hosts give out namespaces, but no rights in them.
pub(super) fn look() -> Finding {
    let refused = |error: &dyn std::fmt::Display| {
        missing(
            &format!("this user may not make namespaces ({error})"),
            remedy(),
        )
    };
    let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::CLONE_NEWNET;
    let child = match sys::try_mounting(flags) {
        Ok(child) => child,
        Err(error) => return refused(&error),
    };
    match waitpid(Pid::from_raw(child), None) {
        Ok(WaitStatus::Exited(_, 0)) => Finding::enforced(
            WHAT,
            "user, mount, pid, network, ipc and uts namespaces, each instance with a root of its own",
        ),
        Ok(WaitStatus::Exited(_, 2)) => missing(
            "part of /proc is hidden here, so the kernel refuses a fresh one for a sandbox",
            "in a systemd unit leave ProtectKernelTunables=, ProtectKernelLogs= and ProcSubset= off; in a \
             container use --security-opt systempaths=unconfined",
        ),
        _ => refused(&"they come without the right to mount"),
    }
}

fn missing(reason: &str, remedy: &str) -> Finding {
    Finding::missing(WHAT, format!("{reason}, so no app or build can start")).mended_by(remedy)
}

fn remedy() -> &'static str {
    let setting = |path: &str| {
        fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" {
        return "run sysctl kernel.apparmor_restrict_unprivileged_userns=0, or give the platform's program an \
                AppArmor profile with the rule userns";
    }
    if setting("/proc/sys/kernel/unprivileged_userns_clone") == "0" {
        return "run sysctl kernel.unprivileged_userns_clone=1";
    }
    if setting("/proc/sys/user/max_user_namespaces") == "0" {
        return "run sysctl user.max_user_namespaces=16384";
    }
    "if the platform runs in a container, allow it user namespaces (with Docker: --security-opt \
     seccomp=unconfined --security-opt apparmor=unconfined)"
}
