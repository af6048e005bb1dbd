//! Which limits control groups enforce.

use std::path::Path;

use super::Finding;
use crate::sandbox::cgroup::{Host, ceiling_finding};

/// The limits, each with the controller that enforces it.
const LIMITS: [(&str, &str); 3] = [
    ("memory limit", "memory"),
    ("processor share", "cpu"),
    ("process limit", "pids"),
];

/// What it is about where there are no groups at all.
pub(super) const NONE: &str = "memory, processor and process limits";

/// A line for each limit, or one for all. `Err` of `host` says why there are no groups for us.
pub(super) fn look(host: &Result<Host, String>) -> Vec<Finding> {
    let host = match host {
        Ok(host) => host,
        Err(reason) => {
            return vec![Finding::missing(NONE, reason).mended_by(remedy())];
        }
    };
    let lacks = host.lacks();
    let ceilings = std::iter::once(ceiling_finding(host));
    LIMITS
        .iter()
        .map(|(what, controller)| {
            if lacks.contains(controller) {
                Finding::missing(
                    *what,
                    format!(
                        "the {controller} controller of control groups is not given to the platform"
                    ),
                )
                .mended_by(remedy())
            } else {
                Finding::enforced(
                    *what,
                    format!(
                        "the {controller} controller of control groups, version {}",
                        host.version()
                    ),
                )
            }
        })
        .chain(ceilings)
        .collect()
}

fn remedy() -> &'static str {
    // Without this file version 2 is not what the host has at the usual place.
    if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        return "boot the machine with version 2 of control groups (systemd.unified_cgroup_hierarchy=1 on \
                the kernel's command line), or run the platform as root";
    }
    "run the platform by its unit in systemd/, or as a user by `systemd-run --user --scope -p Delegate=yes \
     pastina serve`; a controller that users do not get, root hands out with the line Delegate=cpu io memory \
     pids in `systemctl edit user@.service`"
}
