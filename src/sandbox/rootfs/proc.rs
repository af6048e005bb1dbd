//! `/proc`: what tells of the host is covered, what could change it is read-only.

use std::{
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use nix::libc;

use super::{READ_ONLY, SandboxError, attach, make_folder};
use crate::sandbox::{status::Doing, sys};

/// What tells of the host's hardware, of what others do, or of addresses in the kernel. Runtimes
/// read `cpuinfo`, `meminfo`, `stat`, `loadavg`, `uptime`, `version`, `cgroups` and
/// `filesystems`; those stay.
const MASKED: [&str; 44] = [
    "acpi",
    "buddyinfo",
    "cmdline",
    "config.gz",
    "consoles",
    "crypto",
    "diskstats",
    "dma",
    "driver",
    "dynamic_debug",
    "execdomains",
    "fb",
    "firmware",
    "interrupts",
    "iomem",
    "ioports",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "locks",
    "mdstat",
    "misc",
    "modules",
    "mtrr",
    "pagetypeinfo",
    "partitions",
    "pressure",
    "sched_debug",
    "schedstat",
    "scsi",
    "slabinfo",
    "softirqs",
    "swaps",
    "sysrq-trigger",
    "timer_list",
    "tty",
    "vmallocinfo",
    "zoneinfo",
];

const FIXED: [&str; 5] = ["asound", "bus", "fs", "irq", "sys"];

/// Is there while it is needed.
const EMPTY: &str = "/.empty";

pub(super) fn mask() -> Result<(), SandboxError> {
    make_folder(Path::new(EMPTY))?;
    for name in MASKED {
        let path = Path::new("/proc").join(name);
        let Ok(found) = fs::metadata(&path) else {
            continue;
        };
        // An empty folder and the null device cover anything.
        let cover = if found.is_dir() { EMPTY } else { "/dev/null" };
        let flags = if found.is_dir() {
            READ_ONLY
        } else {
            libc::MOUNT_ATTR_RDONLY
        };
        cover_with(cover, &path, flags).doing(|| format!("hide {}", path.display()))?;
    }
    fs::remove_dir(EMPTY).doing(|| format!("remove {EMPTY}"))?;
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
