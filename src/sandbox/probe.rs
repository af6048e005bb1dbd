//! What this kernel and this user can wall off and limit, and what not.

use std::{fs, path::Path};

use nix::{
    libc,
    sys::wait::{WaitStatus, waitpid},
    unistd::Pid,
};

use super::{Ids, RANGE, cgroup::Host, sys};

/// What the host offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether sandboxes can be made at all.
    pub sandboxes: bool,
    /// Whether each app can have ids of its own ([`Ids::Range`]).
    pub ranges: bool,
    /// Which control groups set the limits: 1, 2, or none.
    pub cgroup: Option<u8>,
    /// What cannot be enforced.
    pub lacks: Vec<Lack>,
}

/// Something that cannot be enforced on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// What it is about, as a few words.
    pub what: String,
    /// Why, and what follows.
    pub reason: String,
    /// What the operator can do.
    pub remedy: String,
}

/// Looks at the host: tries a user namespace in a child, reads what the kernel tells. Call
/// [`cgroup::prepare`](super::cgroup::prepare) before it. Takes milliseconds.
#[must_use]
pub fn probe() -> Capabilities {
    let mut lacks = Vec::new();
    let sandboxes = match namespaces() {
        Ok(()) => true,
        Err(error) => {
            lacks.push(Lack {
                what: "sandboxes".to_owned(),
                reason: format!(
                    "this user may not make namespaces ({error}), so no app or build can start"
                ),
                remedy: namespace_remedy(),
            });
            false
        }
    };
    let root = nix::unistd::geteuid().is_root();
    if !root {
        lacks.push(Lack {
            what: "ids of an app's own".to_owned(),
            reason:
                "without root every app runs with the platform's own user id; namespaces alone \
                     keep them apart"
                    .to_owned(),
            remedy: "run the platform as root where apps must not trust each other".to_owned(),
        });
    }
    let cgroup = match Host::find(Path::new("/")) {
        Ok(host) => {
            lacks.extend(host.lacks().into_iter().map(|controller| Lack {
                what: format!("limits by the {controller} controller"),
                reason: format!(
                    "the host does not offer the {controller} controller to the platform"
                ),
                remedy: "under systemd set Delegate=yes in the unit".to_owned(),
            }));
            Some(host.version())
        }
        Err(reason) => {
            lacks.push(Lack {
                what: "memory, processor and process limits".to_owned(),
                reason,
                remedy:
                    "run the platform as root, or as a systemd user unit with Delegate=yes, or by \
                         systemd-run --user --scope -p Delegate=yes"
                        .to_owned(),
            });
            None
        }
    };
    Capabilities {
        sandboxes,
        ranges: root && sandboxes,
        cgroup,
        lacks,
    }
}

impl Capabilities {
    /// The ids to run an app with that has the `index`th range after `base`, where it can
    /// have one.
    #[must_use]
    pub fn ids(&self, base: u32, index: u32) -> Ids {
        match index
            .checked_mul(RANGE)
            .and_then(|offset| base.checked_add(offset))
        {
            Some(first) if self.ranges => Ids::Range { first },
            _ => Ids::Own,
        }
    }
}

/// Tries what every sandbox needs first. Some hosts give out namespaces, but no rights in them.
fn namespaces() -> std::io::Result<()> {
    let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::CLONE_NEWNET;
    match waitpid(Pid::from_raw(sys::try_mounting(flags)?), None)? {
        WaitStatus::Exited(_, 0) => Ok(()),
        _ => Err(std::io::ErrorKind::PermissionDenied.into()),
    }
}

fn namespace_remedy() -> String {
    let setting = |path: &str| {
        fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" {
        return "run sysctl kernel.apparmor_restrict_unprivileged_userns=0, or give the platform's program an \
                AppArmor profile with the rule userns"
            .to_owned();
    }
    if setting("/proc/sys/kernel/unprivileged_userns_clone") == "0" {
        return "run sysctl kernel.unprivileged_userns_clone=1".to_owned();
    }
    if setting("/proc/sys/user/max_user_namespaces") == "0" {
        return "run sysctl user.max_user_namespaces=16384".to_owned();
    }
    "if the platform runs in a container, allow it user namespaces (with Docker: --security-opt \
     seccomp=unconfined --security-opt apparmor=unconfined)"
        .to_owned()
}
