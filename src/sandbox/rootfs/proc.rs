//! `/proc`: what tells of the host is covered, what could change it is read-only.

use std::{
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::PermissionsExt,
    },
    path::{Path, PathBuf},
};

use nix::libc;

use super::{READ_ONLY, SandboxError, attach};
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

/// Folders that are tried until one is not there yet: an image's root may have anything.
const EMPTY: &str = "/.empty";
const TRIES: usize = 1000;

/// An empty folder that nobody else has; it is there while it is needed.
fn empty() -> io::Result<PathBuf> {
    for number in 0..TRIES {
        let path = PathBuf::from(format!("{EMPTY}{number}"));
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                // Whatever the platform's umask, so that it looks as empty as it is.
                made.and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))?;
                return Ok(path);
            }
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

pub(super) fn mask() -> Result<(), SandboxError> {
    let empty = empty().doing(|| format!("make the folder {EMPTY}"))?;
    for name in MASKED {
        let path = Path::new("/proc").join(name);
        let Ok(found) = fs::metadata(&path) else {
            continue;
        };
        // An empty folder and the null device cover anything.
        let cover = if found.is_dir() {
            empty.as_path()
        } else {
            Path::new("/dev/null")
        };
        let flags = if found.is_dir() {
            READ_ONLY
        } else {
            libc::MOUNT_ATTR_RDONLY
        };
        cover_with(cover, &path, flags).doing(|| format!("hide {}", path.display()))?;
    }
    fs::remove_dir(&empty).doing(|| format!("remove {}", empty.display()))?;
    for name in FIXED {
        let path = Path::new("/proc").join(name);
        if path.exists() {
            fix(&path).doing(|| format!("make {} read-only", path.display()))?;
        }
    }
    Ok(())
}

fn cover_with(cover: &Path, path: &Path, flags: u64) -> io::Result<()> {
    let tree: OwnedFd = sys::open_tree(None, cover, true)?;
    attach(&tree, path, flags)
}

fn fix(path: &Path) -> io::Result<()> {
    let tree = sys::open_tree(None, path, true)?;
    sys::mount_setattr(tree.as_fd(), READ_ONLY, None, true)?;
    sys::move_mount(tree.as_fd(), None, path)
}
