//! Limits and accounts of one sandbox, by whichever version of control groups the host has.
//!
//! Version 2 uses `pastina/<id>` below the highest group that is ours to write to: the root of
//! the tree for root, the group of the user's service manager for a user unit. Where only the
//! daemon's own group is ours, it moves itself into a leaf ([`prepare`]) and each sandbox is a
//! sibling (docs/decisions/0006). Version 1 needs root and uses `/pastina/<id>` of each controller.

mod ceiling;
mod v1;
mod v2;

use std::{
    fmt::Display,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub use ceiling::CEILINGS;
pub(super) use ceiling::{Device, finding as ceiling_finding};

use super::{Limits, Usage, sys};

/// What this host offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// Version 2: where sandboxes go.
    V2(v2::Place),
    /// Version 1: where each controller is mounted.
    V1(v1::Mounts),
}

/// The group of one sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cgroup", rename_all = "snake_case")]
pub(super) enum Group {
    V2 { path: PathBuf },
    V1(v1::Folders),
}

/// A limit that the host cannot enforce, and why.
pub(super) type Unenforced = String;

/// Makes the group ready that holds those of sandboxes: call it once, early in the daemon's
/// life, before it has children. Does nothing where version 1 is used.
///
/// Where only the daemon's own group is ours to write to (a system's unit with `User=`), it
/// hands its controllers on and takes no process any more, so a service manager that starts a
/// later daemon beside sandboxes that still run has to put it into the same leaf: for systemd,
/// `Delegate=yes` with `DelegateSubgroup=daemon` (from 254).
///
/// # Errors
/// Why limits cannot be enforced on this host, and what to do about it.
pub fn prepare() -> Result<(), String> {
    match Host::find(Path::new("/"))? {
        Host::V2(place) => v2::prepare(&place),
        Host::V1(_) => Ok(()),
    }
}

impl Host {
    /// What the host offers, or why nothing. `root` is `/`, or a folder that stands for it.
    pub(super) fn find(root: &Path) -> Result<Self, String> {
        let read = |path: &str| {
            fs::read_to_string(root.join(path))
                .map_err(|error| format!("cannot read /{path}: {error}"))
        };
        let mounts = read("proc/self/mountinfo")?;
        let own = read("proc/self/cgroup")?;
        let second = v2::find(root, &mounts, &own);
        if let Ok(found) = second {
            return Ok(found);
        }
        match (v1::find(root, &mounts), second) {
            (Some(mounts), _) if mounts.writable() => Ok(Self::V1(mounts)),
            (Some(_), _) => {
                Err("control groups are of version 1 here, which only root can use".to_owned())
            }
            (None, Err(reason)) => Err(reason),
            (None, Ok(found)) => Ok(found),
        }
    }

    /// Which version it is.
    pub(super) fn version(&self) -> u8 {
        match self {
            Self::V2(_) => 2,
            Self::V1(_) => 1,
        }
    }

    /// The controllers that limits need and the host does not offer.
    pub(super) fn lacks(&self) -> Vec<&'static str> {
        match self {
            Self::V2(place) => v2::lacks(place),
            Self::V1(mounts) => mounts.lacks(),
        }
    }

    /// Moves this process, a shim, to where it outlives the daemon's service without being
    /// taken for something that was left over. It works without, so nothing is told.
    pub(super) fn settle(&self) {
        if let Self::V2(place) = self {
            v2::settle(place);
        }
    }

    /// Makes the group of sandbox `id`, with its limits set, and tells which of them the host
    /// cannot enforce.
    pub(super) fn create(&self, id: &str, limits: &Limits) -> io::Result<(Group, Vec<Unenforced>)> {
        match self {
            Self::V2(place) => {
                let (path, missing) = v2::create(place, id, limits)?;
                Ok((Group::V2 { path }, missing))
            }
            Self::V1(mounts) => {
                let (folders, missing) = mounts.create(id, limits)?;
                Ok((Group::V1(folders), missing))
            }
        }
    }
}

impl Group {
    /// Processor time that it has used so far.
    pub(super) fn cpu(&self) -> io::Result<Duration> {
        match self {
            Self::V2 { path } => v2::cpu(path),
            Self::V1(folders) => folders.cpu(),
        }
    }

    /// The threads in it.
    pub(super) fn threads(&self) -> io::Result<Vec<i32>> {
        let list = match self {
            Self::V2 { path } => fs::read_to_string(path.join("cgroup.threads"))?,
            Self::V1(folders) => folders.threads()?,
        };
        Ok(list.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Puts a process into it; its later children follow.
    pub(super) fn add(&self, pid: i32) -> io::Result<()> {
        self.folders()
            .try_for_each(|folder| put(folder, "cgroup.procs", pid))
    }

    /// How often the kernel has killed for want of memory.
    pub(super) fn oom_kills(&self) -> u64 {
        match self {
            Self::V2 { path } => v2::oom_kills(path),
            Self::V1(folders) => folders.oom_kills(),
        }
    }

    /// A descriptor that becomes readable when the memory limit is hit, where the kernel does
    /// not kill the whole group by itself (version 1).
    pub(super) fn oom_events(&self) -> Option<nix::sys::eventfd::EventFd> {
        match self {
            Self::V2 { .. } => None,
            Self::V1(folders) => folders.oom_events(),
        }
    }

    /// What it uses.
    pub(super) fn usage(&self) -> io::Result<Usage> {
        match self {
            Self::V2 { path } => v2::usage(path),
            Self::V1(folders) => folders.usage(),
        }
    }

    /// Sends SIGKILL to everything in it.
    pub(super) fn kill(&self) {
        if let Self::V2 { path } = self
            && fs::write(path.join("cgroup.kill"), "1").is_ok()
        {
            return;
        }
        for pid in self.members() {
            // Opened, then looked up again: the id cannot have passed to another process.
            if let Ok(pidfd) = sys::pidfd_open(pid)
                && self.members().contains(&pid)
            {
                let _ = sys::pidfd_kill(std::os::fd::AsFd::as_fd(&pidfd));
            }
        }
    }

    /// The processes in it.
    pub(super) fn members(&self) -> Vec<i32> {
        let lists = self
            .folders()
            .filter_map(|folder| fs::read_to_string(folder.join("cgroup.procs")).ok());
        let mut pids: Vec<i32> = lists
            .flat_map(|list| {
                list.lines()
                    .filter_map(|line| line.parse().ok())
                    .collect::<Vec<_>>()
            })
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Removes it; that it is gone already is no error. `EBUSY` while a process is in it.
    pub(super) fn remove(&self) -> io::Result<()> {
        self.folders()
            .try_for_each(|folder| match fs::remove_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            })
    }

    /// Where a process inside looks for what it may use, below `/sys/fs/cgroup`, and the folder
    /// that is to be seen there.
    pub(super) fn views(&self) -> Vec<(&'static str, &Path)> {
        match self {
            Self::V2 { path } => vec![("", path)],
            Self::V1(folders) => folders.views(),
        }
    }

    fn folders(&self) -> Box<dyn Iterator<Item = &Path> + '_> {
        match self {
            Self::V2 { path } => Box::new(std::iter::once(path.as_path())),
            Self::V1(folders) => Box::new(folders.all()),
        }
    }
}

/// Lets a sandbox look into its own group, whatever the platform's umask.
fn show(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

/// Makes `folder`; one that is left over from before is taken.
fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Writes one of a group's files, naming it in the error.
fn put(folder: &Path, file: &str, value: impl Display) -> io::Result<()> {
    let path = folder.join(file);
    fs::write(&path, value.to_string())
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// The number in one of a group's files.
fn number(folder: &Path, file: &str) -> io::Result<u64> {
    let text = fs::read_to_string(folder.join(file))?;
    text.trim()
        .parse()
        .map_err(|_| io::ErrorKind::InvalidData.into())
}

/// The value of `key` in a file of `key value` lines; 0 where it is not there.
fn value_of(folder: &Path, file: &str, key: &str) -> u64 {
    let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .find(|(name, _)| *name == key)
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

/// One line of `/proc/self/mountinfo`: mount point, type, options of the file system.
fn mount_lines(mountinfo: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    mountinfo.lines().filter_map(|line| {
        let (mount, fs) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?;
        let mut fs = fs.split(' ');
        Some((point, fs.next()?, fs.nth(1)?))
    })
}

/// The processor period that ceilings are set against, the kernel's default.
const PERIOD_US: u64 = 100_000;

/// The processor time a period that `milli` thousandths of a core allow; the kernel takes no
/// less than a millisecond.
fn quota_us(milli: u32) -> u64 {
    (u64::from(milli) * PERIOD_US / 1000).max(1000)
}
