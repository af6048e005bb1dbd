//! Mounts: taken, attached, and what they may.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use nix::libc;

use super::{check, owned};

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn raw(fd: Option<BorrowedFd<'_>>) -> RawFd {
    fd.map_or(libc::AT_FDCWD, |fd| fd.as_raw_fd())
}

/// A detached copy of what is mounted at `path` (relative to `at`), submounts with it where
/// `recursive`. Not at a symbolic link's target: the link itself is refused by the kernel.
pub(in crate::sandbox) fn open_tree(
    at: Option<BorrowedFd<'_>>,
    path: &Path,
    recursive: bool,
) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let deep = if recursive {
        libc::AT_RECURSIVE.cast_unsigned()
    } else {
        0
    };
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | deep;
    // SAFETY: the path is a C string that outlives the call; the result is a new descriptor.
    unsafe {
        owned(libc::syscall(
            libc::SYS_open_tree,
            raw(at),
            path.as_ptr(),
            flags,
        ))
    }
}

/// Attaches a detached mount at `path`, relative to `at`.
pub(in crate::sandbox) fn move_mount(
    mount: BorrowedFd<'_>,
    at: Option<BorrowedFd<'_>>,
    path: &Path,
) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: both paths are C strings that outlive the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            raw(at),
            path.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// Sets attributes (`MOUNT_ATTR_*`) of a mount, and of those below it where `recursive`. With
/// `owners`, ids are shown as that user namespace maps them.
pub(in crate::sandbox) fn mount_setattr(
    mount: BorrowedFd<'_>,
    set: u64,
    owners: Option<BorrowedFd<'_>>,
    recursive: bool,
) -> io::Result<()> {
    let attr = libc::mount_attr {
        attr_set: set
            | if owners.is_some() {
                libc::MOUNT_ATTR_IDMAP
            } else {
                0
            },
        attr_clr: 0,
        propagation: 0,
        userns_fd: owners.map_or(0, |fd| u64::from(fd.as_raw_fd().cast_unsigned())),
    };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: `attr` is a plain struct whose size is told, and outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of_val(&attr),
        )
    })
    .map(drop)
}
