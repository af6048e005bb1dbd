//! `/dev`: the harmless devices, terminals of its own, shared memory of its own.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use nix::{libc, mount::MsFlags};

use super::{Piece, SandboxError, make_folder, mount_at};
use crate::sandbox::{Ids, status::Doing};

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Terminals of one sandbox: the host has some 4,000 for all of them (`kernel.pty.max`).
const TERMINALS: u32 = 64;

pub(super) fn gather() -> Result<Vec<(PathBuf, Piece)>, SandboxError> {
    let mut found = Vec::new();
    for name in DEVICES {
        let path = Path::new("/dev").join(name);
        if let Some(piece) = Piece::take(&path, false)? {
            found.push((path, piece));
        }
    }
    Ok(found)
}

pub(super) fn compose(ids: Ids, devices: &[(PathBuf, Piece)]) -> Result<(), SandboxError> {
    for (target, piece) in devices {
        // The host's own nodes: nodev would make them useless.
        piece.attach(target, libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC)?;
    }
    for (name, target) in LINKS {
        let path = Path::new("/dev").join(name);
        symlink(target, &path).doing(|| format!("make {} in the sandbox", path.display()))?;
    }
    make_folder(Path::new("/dev/pts"))?;
    make_folder(Path::new("/dev/shm"))?;
    // Group 5 is `tty` by custom; an id that is not mapped is refused.
    let group = match ids {
        Ids::Range { .. } => ",gid=5",
        Ids::Own => "",
    };
    let options = format!("newinstance,ptmxmode=0666,mode=0620,max={TERMINALS}{group}");
    mount_at(
        "devpts",
        "/dev/pts",
        MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
        &options,
    )?;
    mount_at(
        "tmpfs",
        "/dev/shm",
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        "mode=1777,size=64m,nr_inodes=16k",
    )?;
    debug_assert!(fs::exists("/dev/null").unwrap_or(false));
    Ok(())
}
