//! Version 2: one tree, below the daemon's own group.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::unistd::{AccessFlags, access};

use super::{
    Host, Limits, PERIOD_US, Unenforced, Usage, make, mount_lines, nanos, number, put, quota_us,
    value_of,
};

/// The leaf that the daemon and its shims are in: a group that hands controllers on to its
/// children must have no process itself (but for the root). systemd's `DelegateSubgroup=`
/// may name the same.
const LEAF: &str = "daemon";

/// The controllers that limits need.
const WANTED: [&str; 3] = ["cpu", "memory", "pids"];

/// Where sandboxes' groups go, or why there is no place for them.
pub(super) fn find(root: &Path, mountinfo: &str, own: &str) -> Result<Host, String> {
    let mount = mount_lines(mountinfo)
        .find(|(_, kind, _)| *kind == "cgroup2")
        .map(|(point, _, _)| root.join(point.trim_start_matches('/')))
        .ok_or("no control groups are mounted at /sys/fs/cgroup")?;
    let own = own
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .unwrap_or_default();
    let own = mount.join(own);
    let base = if own.ends_with(LEAF) && own != mount {
        own.parent().unwrap_or(&own).to_owned()
    } else {
        own
    };
    let offered = fs::read_to_string(base.join("cgroup.controllers"))
        .map_err(|error| format!("cannot read {}/cgroup.controllers: {error}", base.display()))?;
    if !offered
        .split_whitespace()
        .any(|name| WANTED.contains(&name))
    {
        return Err(format!(
            "the control group {} has no controllers; under systemd set Delegate=yes, or start with \
             systemd-run --user --scope -p Delegate=yes",
            base.display()
        ));
    }
    if access(&base, AccessFlags::W_OK).is_err() {
        return Err(format!(
            "the control group {} belongs to another user; under systemd set Delegate=yes, or start with \
             systemd-run --user --scope -p Delegate=yes",
            base.display()
        ));
    }
    Ok(Host::V2 { base })
}

/// Moves this process into the leaf and hands the controllers on.
pub(super) fn prepare(base: &Path) -> Result<(), String> {
    let told = |what: &str, error: &io::Error| {
        format!(
            "cannot {what} in the control group {}: {error}; under systemd set Delegate=yes, or start with \
             systemd-run --user --scope -p Delegate=yes",
            base.display()
        )
    };
    let leaf = base.join(LEAF);
    make(&leaf).map_err(|error| told("make a group for the daemon", &error))?;
    put(&leaf, "cgroup.procs", std::process::id())
        .map_err(|error| told("move the daemon", &error))?;
    let have = fs::read_to_string(base.join("cgroup.controllers")).unwrap_or_default();
    for controller in WANTED
        .into_iter()
        .filter(|name| have.split_whitespace().any(|one| one == *name))
    {
        put(base, "cgroup.subtree_control", format!("+{controller}"))
            .map_err(|error| told(&format!("hand on the {controller} controller"), &error))?;
    }
    Ok(())
}

/// The controllers that groups below `base` have.
fn handed_on(base: &Path) -> Vec<String> {
    let text = fs::read_to_string(base.join("cgroup.subtree_control")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

pub(super) fn lacks(base: &Path) -> Vec<&'static str> {
    let have = handed_on(base);
    WANTED
        .into_iter()
        .filter(|name| !have.iter().any(|one| one == name))
        .collect()
}

pub(super) fn create(
    base: &Path,
    id: &str,
    limits: &Limits,
) -> io::Result<(PathBuf, Vec<Unenforced>)> {
    let path = base.join(format!("pastina-{id}"));
    make(&path)?;
    let missing = limit(&path, &handed_on(base), limits).inspect_err(|_| {
        let _ = fs::remove_dir(&path);
    })?;
    Ok((path, missing))
}

fn limit(path: &Path, controllers: &[String], limits: &Limits) -> io::Result<Vec<Unenforced>> {
    let mut missing = Vec::new();
    let mut has = |what: &str, controller: &str| {
        let has = controllers.iter().any(|name| name == controller);
        if !has {
            missing.push(format!(
                "{what}: the {controller} controller is not delegated to this control group; under systemd set \
                 Delegate=yes"
            ));
        }
        has
    };
    if let Some(bytes) = limits.memory
        && has("memory", "memory")
    {
        put(path, "memory.max", bytes)?;
        put(path, "memory.oom.group", 1)?;
        // Without swap accounting in the kernel the file is missing; then there is no limit to set.
        if path.join("memory.swap.max").exists() {
            put(path, "memory.swap.max", 0)?;
        }
    }
    if let Some(weight) = limits.cpu_weight
        && has("share of the processor", "cpu")
    {
        put(path, "cpu.weight", weight.clamp(1, 10_000))?;
    }
    if let Some(milli) = limits.cpu_milli
        && has("ceiling of the processor", "cpu")
    {
        put(path, "cpu.max", format!("{} {PERIOD_US}", quota_us(milli)))?;
    }
    if let Some(pids) = limits.pids
        && has("number of processes", "pids")
    {
        put(path, "pids.max", pids)?;
    }
    Ok(missing)
}

pub(super) fn oom_kills(path: &Path) -> u64 {
    // oom_group_kill counts groups and came with 5.17; a group kill counts in oom_kill, too.
    value_of(path, "memory.events", "oom_kill").max(value_of(
        path,
        "memory.events",
        "oom_group_kill",
    ))
}

pub(super) fn usage(path: &Path) -> io::Result<Usage> {
    // A controller that is not there has no file.
    let ask = |file: &str| match number(path, file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.exists() => Ok(0),
        other => other,
    };
    Ok(Usage {
        cpu: nanos(value_of(path, "cpu.stat", "usage_usec").saturating_mul(1000)),
        memory: ask("memory.current")?.saturating_sub(value_of(
            path,
            "memory.stat",
            "inactive_file",
        )),
        pids: ask("pids.current")?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MOUNTS: &str = "30 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";

    /// A folder that looks like the tree of a unit whose controllers are `controllers`.
    fn host(controllers: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let base = dir
            .path()
            .join("sys/fs/cgroup/system.slice/pastina.service");
        fs::create_dir_all(&base).unwrap();
        fs::write(base.join("cgroup.controllers"), controllers).unwrap();
        (dir, base)
    }

    #[test]
    fn sandboxes_go_beside_the_leaf_of_the_daemon() {
        let (dir, expected) = host("cpuset cpu io memory pids\n");
        for own in [
            "0::/system.slice/pastina.service\n",
            "0::/system.slice/pastina.service/daemon\n",
        ] {
            let found = find(dir.path(), MOUNTS, own).unwrap();
            assert_eq!(
                found,
                Host::V2 {
                    base: expected.clone()
                }
            );
        }
    }

    #[test]
    fn a_group_without_controllers_says_what_to_do() {
        let (dir, _) = host("\n");
        let reason = find(dir.path(), MOUNTS, "0::/system.slice/pastina.service\n").unwrap_err();
        assert!(reason.contains("Delegate=yes"), "{reason}");
    }

    #[test]
    fn preparing_moves_the_daemon_and_hands_controllers_on() {
        let (_dir, base) = host("memory\n");
        prepare(&base).unwrap();
        assert_eq!(
            fs::read_to_string(base.join("daemon/cgroup.procs")).unwrap(),
            std::process::id().to_string()
        );
        assert_eq!(
            fs::read_to_string(base.join("cgroup.subtree_control")).unwrap(),
            "+memory"
        );
    }

    #[test]
    fn limits_are_written_and_missing_controllers_told() {
        let (_dir, base) = host("");
        fs::write(base.join("cgroup.subtree_control"), "cpu memory\n").unwrap();
        assert_eq!(lacks(&base), ["pids"]);
        let limits = Limits {
            memory: Some(64 << 20),
            cpu_weight: Some(50),
            cpu_milli: Some(1500),
            pids: Some(10),
            files: None,
        };
        let (path, missing) = create(&base, "one", &limits).unwrap();
        let read = |file: &str| fs::read_to_string(path.join(file)).unwrap();
        assert_eq!(read("memory.max"), "67108864");
        assert_eq!(read("memory.oom.group"), "1");
        assert_eq!(read("cpu.weight"), "50");
        assert_eq!(read("cpu.max"), "150000 100000");
        assert!(
            missing.len() == 1 && missing[0].contains("pids"),
            "{missing:?}"
        );
    }

    #[test]
    fn usage_leaves_reclaimable_cache_out() {
        let (_dir, path) = host("");
        fs::write(path.join("memory.current"), "1000\n").unwrap();
        fs::write(path.join("memory.stat"), "anon 5\ninactive_file 300\n").unwrap();
        fs::write(path.join("cpu.stat"), "usage_usec 2000\n").unwrap();
        fs::write(path.join("memory.events"), "low 0\noom 1\noom_kill 3\n").unwrap();
        let expected = Usage {
            cpu: Duration::from_millis(2),
            memory: 700,
            pids: 0,
        };
        assert_eq!(usage(&path).unwrap(), expected);
        assert_eq!(oom_kills(&path), 3);
    }
}
