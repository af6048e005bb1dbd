//! Ceilings of reading and writing, for each device that carries a sandbox's files.
//!
//! The kernel has them by device, and charges whoever asks the device: for a disk in an image that
//! is the app at the loop device, and for what it reads of the host's file system (its droplet,
//! programs, layers of images) the app at the host's disk.

use std::{
    fs, io,
    os::{
        linux::fs::MetadataExt,
        unix::fs::{FileTypeExt, MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use nix::sys::stat::{major, minor};

use super::{Group, Host, Unenforced, put};
use crate::sandbox::{Ceiling, Finding};

/// A device and what is limited on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct Device {
    numbers: (u64, u64),
    /// Writing, too, and not only reading.
    writes: bool,
    /// Nobody else uses it.
    own: bool,
}

/// What a finding about ceilings is about.
pub const CEILINGS: &str = "disk throughput ceilings";

/// Version 1's files, in [`Values`]' order.
const FILES: [&str; 4] = [
    "blkio.throttle.read_bps_device",
    "blkio.throttle.write_bps_device",
    "blkio.throttle.read_iops_device",
    "blkio.throttle.write_iops_device",
];

/// Version 2's words in `io.max`, in the same order.
const KEYS: [&str; 4] = ["rbps", "wbps", "riops", "wiops"];

/// What of version 1 does not hold.
const DIRECT: &str = "version 1 of control groups holds what is read, and what is written to a \
                      sandbox's own disk; where it has none, what goes through the page cache the \
                      kernel writes in nobody's name";

type Values = [Option<u64>; 4];

impl Device {
    /// The device at `path`, all of it a sandbox's own.
    pub(in crate::sandbox) fn own(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        if !found.file_type().is_block_device() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self {
            numbers: numbers(found.rdev()),
            writes: true,
            own: true,
        })
    }

    /// The disk that the folder `dir` is on. `writes` is for where no other disk takes what the
    /// sandbox writes: a file system makes others wait for what one of its writers is kept from.
    pub(in crate::sandbox) fn of_host(dir: &Path, writes: bool) -> io::Result<Self> {
        let (mut device, read) = (fs::metadata(dir)?.st_dev(), fs::read_to_string);
        if major(device) == 0 {
            // A file system of several disks, or of none, has no device of its own.
            let source = source(
                &read("/proc/self/mountinfo")?,
                (major(device), minor(device)),
            );
            let named = source.and_then(|path| fs::metadata(path).ok());
            device = named
                .filter(|found| found.file_type().is_block_device())
                .map(|found| found.rdev())
                .ok_or_else(|| {
                    let what = format!("the file system of {} is on no single disk", dir.display());
                    io::Error::new(io::ErrorKind::Unsupported, what)
                })?;
        }
        Ok(Self {
            numbers: whole(Path::new("/sys"), numbers(device)),
            writes,
            own: false,
        })
    }

    fn values(self, ceiling: &Ceiling) -> Values {
        let writes = |limit: Option<u64>| limit.filter(|_| self.writes);
        [
            ceiling.read,
            writes(ceiling.write),
            ceiling.operations,
            writes(ceiling.operations),
        ]
    }
}

fn numbers(device: u64) -> (u64, u64) {
    (major(device), minor(device))
}

/// The disk that a partition is of; the kernel has no ceilings for parts (blkg_conf_prep).
fn whole(sys: &Path, (major, minor): (u64, u64)) -> (u64, u64) {
    let found = sys.join(format!("dev/block/{major}:{minor}"));
    if !found.join("partition").exists() {
        return (major, minor);
    }
    let disk = fs::canonicalize(&found)
        .ok()
        .and_then(|found| fs::read_to_string(found.parent()?.join("dev")).ok());
    let disk = disk.as_deref().and_then(|text| text.trim().split_once(':'));
    disk.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        .unwrap_or((major, minor))
}

/// What is mounted under these numbers (proc_pid_mountinfo(5)).
fn source(mountinfo: &str, (major, minor): (u64, u64)) -> Option<PathBuf> {
    let wanted = format!("{major}:{minor}");
    let mut lines = mountinfo.lines();
    let line = lines.find(|line| line.split(' ').nth(2) == Some(&wanted))?;
    let source = line.split_once(" - ")?.1.split(' ').nth(1)?;
    source.starts_with('/').then(|| PathBuf::from(source))
}

impl Group {
    /// Sets the ceilings on each of `devices`. Tells what could not be set.
    pub(in crate::sandbox) fn hold_to(
        &self,
        ceiling: &Ceiling,
        devices: impl IntoIterator<Item = io::Result<Device>>,
    ) -> Vec<Unenforced> {
        let mut missing = Vec::new();
        let mut shared = false;
        for device in devices {
            shared |= device
                .as_ref()
                .is_ok_and(|device| device.writes && !device.own);
            let set = device.and_then(|device| self.set(device, device.values(ceiling)));
            if let Err(error) = set {
                missing.push(format!("{CEILINGS} are not enforced everywhere: {error}"));
            }
        }
        if missing.is_empty()
            && ceiling.write.or(ceiling.operations).is_some()
            && shared
            && matches!(self, Self::V1(_))
        {
            missing.push(format!("{CEILINGS} hold in part: {DIRECT}"));
        }
        missing.dedup();
        missing
    }

    fn set(&self, device: Device, values: Values) -> io::Result<()> {
        let (major, minor) = device.numbers;
        match self {
            Self::V2 { path } => {
                let pairs = KEYS.iter().zip(values);
                let pairs = pairs.filter_map(|(key, value)| Some(format!(" {key}={}", value?)));
                let pairs: String = pairs.collect();
                if pairs.is_empty() {
                    return Ok(());
                }
                put(path, "io.max", format!("{major}:{minor}{pairs}"))
            }
            Self::V1(folders) => {
                let lacks =
                    || io::Error::new(io::ErrorKind::Unsupported, "there is no blkio controller");
                let folder = folders.blkio().ok_or_else(lacks)?;
                for (file, value) in FILES.iter().zip(values) {
                    if let Some(value) = value {
                        put(folder, file, format!("{major}:{minor} {value}"))?;
                    }
                }
                if device.own {
                    hold_everybody(folder, device, values)?;
                }
                Ok(())
            }
        }
    }

    /// Lets go of devices that were a sandbox's own, whoever uses them next.
    pub(in crate::sandbox) fn let_go(&self, devices: &[Device]) {
        if let Self::V1(folders) = self
            && let Some(folder) = folders.blkio()
        {
            for device in devices.iter().filter(|device| device.own) {
                let _ = hold_everybody(folder, *device, Values::default());
            }
        }
    }

    /// Whether a device may still be held to what an earlier sandbox, which could not let go of
    /// it, was allowed.
    pub(in crate::sandbox) fn may_be_held(&self) -> bool {
        matches!(self, Self::V1(_))
    }
}

/// Holds whoever writes to a device that is one sandbox's own: version 1 has what goes through the
/// page cache written by threads of the kernel, which are in the root of the tree. `folder` is the
/// sandbox's group. What has no value, gets none.
fn hold_everybody(folder: &Path, device: Device, values: Values) -> io::Result<()> {
    let root = folder.ancestors().nth(2).unwrap_or(folder);
    let (major, minor) = device.numbers;
    for (file, value) in FILES.iter().zip(values) {
        if file.contains("write") {
            // To the kernel, 0 is no limit.
            let value = value.unwrap_or(0);
            put(root, file, format!("{major}:{minor} {value}"))?;
        }
    }
    Ok(())
}

/// Whether ceilings would hold here, whether or not any are set.
pub(in crate::sandbox) fn finding(host: &Host) -> Finding {
    let boot = "boot the machine with version 2 of control groups \
                (systemd.unified_cgroup_hierarchy=1 on the kernel's command line)";
    match host {
        Host::V2(place) if super::v2::has_ceilings(place) => {
            Finding::enforced(CEILINGS, "the io controller of control groups, version 2")
        }
        Host::V2(_) => Finding::missing(
            CEILINGS,
            "the io controller of control groups is not given to the platform, so ceilings that \
             are configured would not hold",
        )
        .mended_by(
            "run the platform by its unit in systemd/; a user's platform gets the controller by the \
             line Delegate=cpu io memory pids in `systemctl edit user@.service`",
        ),
        Host::V1(mounts) if mounts.has_ceilings() => Finding::weaker(CEILINGS, DIRECT).mended_by(boot),
        Host::V1(_) => Finding::missing(
            CEILINGS,
            "the kernel's blkio controller is not mounted or cannot throttle, so ceilings that are \
             configured would not hold",
        )
        .mended_by(boot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_counts_for_its_disk() {
        let sys = tempfile::tempdir().unwrap();
        let disk = sys.path().join("devices/sda");
        fs::create_dir_all(disk.join("sda1")).unwrap();
        fs::create_dir_all(sys.path().join("dev/block")).unwrap();
        fs::write(disk.join("dev"), "8:0\n").unwrap();
        fs::write(disk.join("sda1/partition"), "1\n").unwrap();
        for (name, path) in [("8:0", disk.clone()), ("8:1", disk.join("sda1"))] {
            let link = sys.path().join("dev/block").join(name);
            std::os::unix::fs::symlink(path, link).unwrap();
        }
        assert_eq!(whole(sys.path(), (8, 1)), (8, 0));
        assert_eq!(whole(sys.path(), (8, 0)), (8, 0));
        assert_eq!(whole(sys.path(), (9, 9)), (9, 9));
    }

    #[test]
    fn the_disk_of_a_file_system_without_numbers_is_what_was_mounted() {
        let mounts = "30 1 0:21 / /proc rw - proc proc rw\n\
                      31 1 0:44 /sub /home rw shared:1 - btrfs /dev/sda2 rw,subvol=/sub\n";
        let check = |numbers: (u64, u64), expected: Option<&str>| {
            assert_eq!(source(mounts, numbers), expected.map(PathBuf::from));
        };
        check((0, 44), Some("/dev/sda2"));
        check((0, 21), None);
        check((0, 4), None);
    }

    #[test]
    fn version_2_is_told_in_one_line_what_there_is_to_tell() {
        let dir = tempfile::tempdir().unwrap();
        let group = Group::V2 {
            path: dir.path().to_owned(),
        };
        let device = |writes| {
            Ok(Device {
                numbers: (7, 3),
                writes,
                own: true,
            })
        };
        let check = |ceiling: Ceiling, writes: bool, expected: &str| {
            let _ = fs::remove_file(dir.path().join("io.max"));
            assert_eq!(
                group.hold_to(&ceiling, [device(writes)]),
                Vec::<String>::new()
            );
            let told = fs::read_to_string(dir.path().join("io.max")).unwrap_or_default();
            assert_eq!(told, expected);
        };
        let ceiling = Ceiling {
            read: Some(10),
            write: Some(20),
            operations: Some(30),
        };
        check(ceiling, true, "7:3 rbps=10 wbps=20 riops=30 wiops=30");
        check(ceiling, false, "7:3 rbps=10 riops=30");
        let writes = Ceiling {
            write: Some(20),
            ..Ceiling::default()
        };
        check(writes, false, "");
        let failed = io::Error::other("it is gone");
        let told = group.hold_to(&ceiling, [Err(failed)]);
        assert!(told[0].ends_with("it is gone"), "{told:?}");
    }
}
