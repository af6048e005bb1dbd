//! Mounts that show files with other owners than they have (id-mapped mounts): how a droplet and
//! the layers of an image, which all instances share, are each app's own.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use nix::{
    libc,
    sys::{signal, wait::waitpid},
    unistd::{Pid, geteuid},
};

use super::{Finding, RANGE, sys};

/// A namespace that shows what belongs to this process's user and group as `vcap`'s.
pub(super) fn vcap(vcap: u32) -> io::Result<OwnedFd> {
    namespace(
        &format!("{} {vcap} 1\n", geteuid()),
        &format!("{} {vcap} 1\n", nix::unistd::getegid()),
    )
}

/// A namespace that shows the host's first ids as those of the range from `first` on.
pub(super) fn range(first: u32) -> io::Result<OwnedFd> {
    let map = format!("0 {first} {RANGE}\n");
    namespace(&map, &map)
}

fn namespace(users: &str, groups: &str) -> io::Result<OwnedFd> {
    // A namespace needs a process to be named by.
    let pid = sys::parked(libc::CLONE_NEWUSER)?;
    let map = |file: &str, text: &str| fs::write(format!("/proc/{pid}/{file}"), text);
    let made = map("uid_map", users)
        .and_then(|()| map("gid_map", groups))
        .and_then(|()| File::open(format!("/proc/{pid}/ns/user")));
    let pid = Pid::from_raw(pid);
    let _ = signal::kill(pid, signal::SIGKILL);
    let _ = waitpid(pid, None);
    made.map(OwnedFd::from)
}

/// A copy of the mount at `path` that is read-only and shows other owners.
pub(super) fn shown(path: &Path, owners: &OwnedFd) -> io::Result<OwnedFd> {
    let tree = sys::open_tree(None, path, false)?;
    let attributes = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    sys::mount_setattr(tree.as_fd(), attributes, Some(owners.as_fd()), false)?;
    Ok(tree)
}

/// Whether the kernel shows what is in `dir`, a folder of the platform's data, with other owners.
/// Takes milliseconds.
#[must_use]
pub fn shows_owners(dir: &Path) -> Finding {
    const WHAT: &str = "id-mapped mounts";
    /// Any that is nobody's; nothing is made that belongs to it.
    const SOMEBODY: u32 = 0x2000_0000;
    if !geteuid().is_root() {
        let how = "not needed: every file and every app has the platform's own user id";
        return Finding::enforced(WHAT, how);
    }
    match vcap(SOMEBODY).and_then(|owners| shown(dir, &owners)) {
        Ok(_) => Finding::enforced(
            WHAT,
            "droplets and layers of images are on the disk once, and each app sees them as its own",
        ),
        Err(error) => Finding::weaker(
            WHAT,
            format!(
                "files in {} cannot be shown with other owners ({error}), so a droplet is copied for \
                 each instance and images cannot be run",
                dir.display()
            ),
        )
        .mended_by("keep the platform's data on ext4, xfs or btrfs, on a kernel from 5.19"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_shown_to_root_with_other_owners_or_it_is_said_why_not() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let finding = shows_owners(dir.path());
        assert_eq!(finding.what, "id-mapped mounts");
        if !geteuid().is_root() {
            return;
        }
        match vcap(5000).and_then(|owners| shown(dir.path(), &owners)) {
            Ok(tree) => {
                assert_eq!(File::from(tree).metadata().unwrap().uid(), 5000);
                assert!(finding.remedy.is_none(), "{finding:?}");
            }
            Err(_) => assert!(finding.remedy.is_some(), "{finding:?}"),
        }
    }
}
