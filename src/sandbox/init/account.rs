//! What the kernel counts for each user namespace and each user, and hands out to anybody until
//! the host's own part is used up.

use std::{fs::File, io::Write};

use crate::sandbox::sys;

/// `user.max_*` of sysctl: what a sandbox may have more of than it begins with. The filter of
/// system calls says the same of namespaces; this holds where that were passed.
const CEILINGS: [(&str, u32); 11] = [
    ("cgroup_namespaces", 0),
    ("fanotify_groups", 0),
    ("fanotify_marks", 0),
    // Of 128 that the kernel gives a user; they are the platform's, too, where it is not root.
    ("inotify_instances", 32),
    ("ipc_namespaces", 0),
    ("mnt_namespaces", 0),
    ("net_namespaces", 0),
    ("pid_namespaces", 0),
    ("time_namespaces", 0),
    ("user_namespaces", 0),
    ("uts_namespaces", 0),
];

/// The files of the ceilings: opened while `/proc/sys` can be written, set when everything is
/// mounted, since every mount that is moved takes a namespace for a moment.
pub(super) struct Ceilings(Vec<(File, u32)>);

impl Ceilings {
    /// What this kernel does not have is left out: all of it stands behind another wall.
    pub(super) fn open() -> Self {
        let open = |name: &str| {
            let path = format!("/proc/sys/user/max_{name}");
            File::options().write(true).open(path).ok()
        };
        let found = CEILINGS
            .iter()
            .filter_map(|(name, most)| Some((open(name)?, *most)));
        Self(found.collect())
    }

    pub(super) fn set(self) {
        for (mut file, most) in self.0 {
            let _ = file.write_all(most.to_string().as_bytes());
        }
    }
}

/// Leaves the keyring that came with the platform's session.
pub(super) fn leave_keyring() {
    // Without keys in this kernel there is none to leave.
    let _ = sys::new_session_keyring();
}
