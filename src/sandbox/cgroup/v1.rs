//! Version 1: a tree for each controller.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    sys::eventfd::{EfdFlags, EventFd},
    unistd::{AccessFlags, access},
};
use serde::{Deserialize, Serialize};

use super::{
    Limits, PERIOD_US, Unenforced, Usage, make, mount_lines, number, put, quota_us, show, value_of,
};

/// The parent of all groups, in each tree.
const PARENT: &str = "pastina";

/// Where the controllers are mounted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::sandbox) struct Mounts {
    memory: Option<PathBuf>,
    cpu: Option<PathBuf>,
    cpuacct: Option<PathBuf>,
    pids: Option<PathBuf>,
    blkio: Option<PathBuf>,
}

/// The folders of one sandbox; two controllers that are mounted together share one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in crate::sandbox) struct Folders {
    memory: Option<PathBuf>,
    cpu: Option<PathBuf>,
    cpuacct: Option<PathBuf>,
    pids: Option<PathBuf>,
    blkio: Option<PathBuf>,
}

/// The mounts of version 1, if there are any of use.
pub(super) fn find(root: &Path, mountinfo: &str) -> Option<Mounts> {
    let mut found = Mounts::default();
    for (point, kind, options) in mount_lines(mountinfo) {
        if kind != "cgroup" {
            continue;
        }
        let path = root.join(point.trim_start_matches('/'));
        for option in options.split(',') {
            match option {
                "memory" => found.memory = Some(path.clone()),
                "cpu" => found.cpu = Some(path.clone()),
                "cpuacct" => found.cpuacct = Some(path.clone()),
                "pids" => found.pids = Some(path.clone()),
                "blkio" => found.blkio = Some(path.clone()),
                _ => {}
            }
        }
    }
    (found != Mounts::default()).then_some(found)
}

impl Mounts {
    fn all(&self) -> impl Iterator<Item = &Path> {
        [
            &self.memory,
            &self.cpu,
            &self.cpuacct,
            &self.pids,
            &self.blkio,
        ]
        .into_iter()
        .flatten()
        .map(PathBuf::as_path)
    }

    /// Whether groups can be made.
    pub(super) fn writable(&self) -> bool {
        self.all()
            .all(|mount| access(mount, AccessFlags::W_OK).is_ok())
    }

    pub(super) fn lacks(&self) -> Vec<&'static str> {
        let wanted = [
            ("cpu", &self.cpu),
            ("memory", &self.memory),
            ("pids", &self.pids),
        ];
        wanted
            .into_iter()
            .filter(|(_, mount)| mount.is_none())
            .map(|(name, _)| name)
            .collect()
    }

    /// Whether the kernel can hold a group to so many bytes a second.
    pub(super) fn has_ceilings(&self) -> bool {
        let file = "blkio.throttle.read_bps_device";
        let mount = self.blkio.as_ref();
        mount.is_some_and(|mount| {
            mount.join(file).exists() || mount.join(PARENT).join(file).exists()
        })
    }

    pub(super) fn create(
        &self,
        id: &str,
        limits: &Limits,
    ) -> io::Result<(Folders, Vec<Unenforced>)> {
        let below =
            |mount: &Option<PathBuf>| mount.as_ref().map(|mount| mount.join(PARENT).join(id));
        let folders = Folders {
            memory: below(&self.memory),
            cpu: below(&self.cpu),
            cpuacct: below(&self.cpuacct),
            pids: below(&self.pids),
            blkio: below(&self.blkio),
        };
        for mount in self.all() {
            make(&mount.join(PARENT))?;
            make(&mount.join(PARENT).join(id))?;
            show(&mount.join(PARENT).join(id))?;
        }
        let missing = folders.limit(limits).inspect_err(|_| {
            for folder in folders.all() {
                let _ = fs::remove_dir(folder);
            }
        })?;
        Ok((folders, missing))
    }
}

impl Folders {
    pub(super) fn all(&self) -> impl Iterator<Item = &Path> {
        let mut all: Vec<&Path> = [
            &self.memory,
            &self.cpu,
            &self.cpuacct,
            &self.pids,
            &self.blkio,
        ]
        .into_iter()
        .flatten()
        .map(PathBuf::as_path)
        .collect();
        all.dedup();
        all.into_iter()
    }

    pub(super) fn blkio(&self) -> Option<&Path> {
        self.blkio.as_deref()
    }

    /// Each controller by its own name, as systems mount or link them.
    pub(super) fn views(&self) -> Vec<(&'static str, &Path)> {
        let named = [
            ("memory", &self.memory),
            ("cpu", &self.cpu),
            ("cpuacct", &self.cpuacct),
            ("pids", &self.pids),
        ];
        named
            .into_iter()
            .filter_map(|(name, folder)| Some((name, folder.as_deref()?)))
            .collect()
    }

    fn limit(&self, limits: &Limits) -> io::Result<Vec<Unenforced>> {
        let mut missing = Vec::new();
        let mut lacks = |what: &str, controller: &str| {
            missing.push(format!(
                "{what}: the host's version 1 control groups have no {controller} controller"
            ));
        };
        match (limits.memory, &self.memory) {
            (Some(bytes), Some(folder)) => {
                put(folder, "memory.limit_in_bytes", bytes)?;
                // With no account of swap the limit is for memory alone.
                if folder.join("memory.memsw.limit_in_bytes").exists() {
                    put(folder, "memory.memsw.limit_in_bytes", bytes)?;
                }
                // What waits in TCP sockets has an account of its own here: without a limit it
                // would be the host's memory. A quarter is plenty beside what the app has.
                if folder.join("memory.kmem.tcp.limit_in_bytes").exists() {
                    put(folder, "memory.kmem.tcp.limit_in_bytes", bytes / 4)?;
                }
            }
            (Some(_), None) => lacks("memory", "memory"),
            (None, _) => {}
        }
        match (limits.cpu_weight, &self.cpu) {
            (Some(weight), Some(folder)) => {
                put(
                    folder,
                    "cpu.shares",
                    (u64::from(weight) * 1024 / 100).max(2),
                )?;
            }
            (Some(_), None) => lacks("share of the processor", "cpu"),
            (None, _) => {}
        }
        if let (Some(weight), Some(folder)) = (limits.io_weight, &self.blkio) {
            // One of them, where the disk's scheduler divides by weight; 100 is the default.
            for file in ["blkio.bfq.weight", "blkio.weight"] {
                if folder.join(file).exists() {
                    put(folder, file, weight.clamp(10, 1000))?;
                }
            }
        }
        match (limits.cpu_milli, &self.cpu) {
            (Some(milli), Some(folder)) if folder.join("cpu.cfs_quota_us").exists() => {
                put(folder, "cpu.cfs_period_us", PERIOD_US)?;
                put(folder, "cpu.cfs_quota_us", quota_us(milli))?;
            }
            (Some(_), _) => lacks("ceiling of the processor", "cpu bandwidth"),
            (None, _) => {}
        }
        match (limits.pids, &self.pids) {
            (Some(pids), Some(folder)) => put(folder, "pids.max", pids)?,
            (Some(_), None) => lacks("number of processes", "pids"),
            (None, _) => {}
        }
        Ok(missing)
    }

    pub(super) fn oom_kills(&self) -> u64 {
        self.memory.as_ref().map_or(0, |folder| {
            value_of(folder, "memory.oom_control", "oom_kill")
        })
    }

    pub(super) fn oom_events(&self) -> Option<EventFd> {
        // Documentation/admin-guide/cgroup-v1/memory.rst, 10: an eventfd is told of every
        // time that the limit is hit; it has to be registered with both descriptors.
        let folder = self.memory.as_ref()?;
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).ok()?;
        let control = File::open(folder.join("memory.oom_control")).ok()?;
        let line = format!("{} {}", event.as_fd().as_raw_fd(), control.as_raw_fd());
        put(folder, "cgroup.event_control", line).ok()?;
        Some(event)
    }

    pub(super) fn cpu(&self) -> io::Result<Duration> {
        let folder = self.cpuacct.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        number(folder, "cpuacct.usage").map(Duration::from_nanos)
    }

    pub(super) fn threads(&self) -> io::Result<String> {
        let folder = self.cpu.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        fs::read_to_string(folder.join("tasks"))
    }

    pub(super) fn usage(&self) -> io::Result<Usage> {
        let ask = |folder: &Option<PathBuf>, file: &str| match folder {
            Some(folder) => number(folder, file),
            None => Ok(0),
        };
        let cache = self.memory.as_ref().map_or(0, |folder| {
            value_of(folder, "memory.stat", "total_inactive_file")
        });
        Ok(Usage {
            cpu: Duration::from_nanos(ask(&self.cpuacct, "cpuacct.usage")?),
            memory: ask(&self.memory, "memory.usage_in_bytes")?.saturating_sub(cache),
            pids: ask(&self.pids, "pids.current")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_that_are_mounted_together_share_a_folder() {
        let mounts = "30 1 0:1 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
                      31 1 0:2 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      32 1 0:3 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";
        let dir = tempfile::tempdir().unwrap();
        let found = find(dir.path(), mounts).unwrap();
        for mount in found.all() {
            fs::create_dir_all(mount).unwrap();
        }
        let (folders, missing) = found
            .create(
                "one",
                &Limits {
                    pids: Some(9),
                    memory: Some(1 << 20),
                    ..Limits::default()
                },
            )
            .unwrap();
        assert_eq!(folders.all().count(), 2);
        assert_eq!(missing.len(), 1, "{missing:?}");
        let memory = dir
            .path()
            .join("sys/fs/cgroup/memory/pastina/one/memory.limit_in_bytes");
        assert_eq!(fs::read_to_string(memory).unwrap(), "1048576");
    }

    #[test]
    fn a_host_with_version_2_alone_has_no_mounts_of_version_1() {
        let mounts = "30 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(find(Path::new("/"), mounts), None);
    }
}
