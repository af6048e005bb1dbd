//! `/proc`: what tells of the host is covered, what could change it is read-only.

use std::{
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use nix::libc;

use super::{READ_ONLY, SandboxError, attach};
use crate::sandbox::{status::Doing, sys};

const MASKED: [&str; 15] = [
    "acpi",
    "config.gz",
    "firmware",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "latency_stats",
    "modules",
    "sched_debug",
    "scsi",
    "sysrq-trigger",
    "timer_list",
    "timer_stats",
];

const FIXED: [&str; 5] = ["asound", "bus", "fs", "irq", "sys"];

pub(super) fn mask() -> Result<(), SandboxError> {
    for name in MASKED {
        let path = Path::new("/proc").join(name);
        let Ok(found) = fs::metadata(&path) else {
            continue;
        };
        // An empty folder of the root and the null device cover anything.
        let cover = if found.is_dir() { "/sys" } else { "/dev/null" };
        let flags = if found.is_dir() {
            READ_ONLY
        } else {
            libc::MOUNT_ATTR_RDONLY
        };
        cover_with(cover, &path, flags).doing(|| format!("hide {}", path.display()))?;
    }
    for name in FIXED {
        let path = Path::new("/proc").join(name);
        if path.exists() {
            fix(&path).doing(|| format!("make {} read-only", path.display()))?;
        }
    }
    Ok(())
}

fn cover_with(cover: &str, path: &Path, flags: u64) -> io::Result<()> {
    let tree: OwnedFd = sys::open_tree(None, Path::new(cover), true)?;
    attach(&tree, path, flags)
}

fn fix(path: &Path) -> io::Result<()> {
    let tree = sys::open_tree(None, path, true)?;
    sys::mount_setattr(tree.as_fd(), READ_ONLY, None, true)?;
    sys::move_mount(tree.as_fd(), None, path)
}
