//! Version 2: one tree, of which a part is ours.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::unistd::{AccessFlags, access};

use super::{
    Host, Limits, PERIOD_US, Unenforced, Usage, make, mount_lines, number, put, quota_us, show,
    value_of,
};

/// The parent of all groups, below a group that is not the daemon's own.
const PARENT: &str = "pastina";

/// The group of all shims there. No sandbox has such an id.
const SHIMS: &str = "shims";

/// The leaf that the daemon and its shims are in where they share a group with sandboxes: a
/// group that hands controllers on to its children must have no process itself (but for the
/// root). systemd's `DelegateSubgroup=` may name the same.
const LEAF: &str = "daemon";

/// The controllers that limits need.
const WANTED: [&str; 3] = ["cpu", "memory", "pids"];

/// The one that is of use and not missed.
const IO: &str = "io";

/// What to do where no group is ours.
const REMEDY: &str = "under systemd set Delegate=yes in the unit, or start with \
                      systemd-run --user --scope -p Delegate=yes";

/// Where sandboxes' groups go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) enum Place {
    /// Below `pastina` in a group above the daemon's own. A service manager never puts a
    /// process there, so it can start the next daemon while sandboxes run.
    Above(PathBuf),
    /// Below the daemon's own group.
    Own(PathBuf),
}

impl Place {
    /// The parent of sandboxes' groups.
    fn base(&self) -> PathBuf {
        match self {
            Self::Above(top) => top.join(PARENT),
            Self::Own(own) => own.clone(),
        }
    }
}

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
    let own = match own.parent() {
        Some(parent) if own.ends_with(LEAF) && own != mount => parent,
        _ => &own,
    };
    let above = own
        .ancestors()
        .skip(1)
        .take_while(|group| group.starts_with(&mount))
        .filter(|group| ours(group) && offers(group).unwrap_or(false) && divisible(group))
        .last();
    if let Some(top) = above {
        return Ok(Host::V2(Place::Above(top.to_owned())));
    }
    let offers = offers(own)
        .map_err(|error| format!("cannot read {}/cgroup.controllers: {error}", own.display()))?;
    if !offers {
        return Err(format!(
            "the control group {} has no controllers; {REMEDY}",
            own.display()
        ));
    }
    if !ours(own) {
        return Err(format!(
            "the control group {} belongs to another user; {REMEDY}",
            own.display()
        ));
    }
    Ok(Host::V2(Place::Own(own.to_owned())))
}

/// Whether this user may make groups in `group`, hand controllers on to them, and move
/// processes between them.
fn ours(group: &Path) -> bool {
    ["", "cgroup.procs", "cgroup.subtree_control"]
        .iter()
        .all(|file| access(&group.join(file), AccessFlags::W_OK).is_ok())
}

/// Whether it has controllers of use.
fn offers(group: &Path) -> io::Result<bool> {
    let offered = fs::read_to_string(group.join("cgroup.controllers"))?;
    Ok(offered
        .split_whitespace()
        .any(|name| WANTED.contains(&name)))
}

/// Whether it can hand controllers on: it has no process, or is the root of the tree, which
/// alone may have some and alone has no type.
fn divisible(group: &Path) -> bool {
    !group.join("cgroup.type").exists()
        || fs::read_to_string(group.join("cgroup.procs")).is_ok_and(|pids| pids.is_empty())
}

/// Makes the place ready. Where it is the daemon's own group, moves this process into the leaf.
pub(super) fn prepare(place: &Place) -> Result<(), String> {
    match place {
        Place::Above(top) => {
            let handed = hand_on(top);
            let base = place.base();
            make(&base).map_err(|error| told(top, "make a group for sandboxes", &error))?;
            handed.and(hand_on(&base))
        }
        Place::Own(own) => {
            let leaf = own.join(LEAF);
            make(&leaf).map_err(|error| told(own, "make a group for the daemon", &error))?;
            put(&leaf, "cgroup.procs", std::process::id())
                .map_err(|error| told(own, "move the daemon", &error))?;
            hand_on(own)
        }
    }
}

fn told(group: &Path, what: &str, error: &io::Error) -> String {
    format!(
        "cannot {what} in the control group {}: {error}; {REMEDY}",
        group.display()
    )
}

/// Hands the controllers that `group` has on to its children: all that it can, and tells of
/// the first that it cannot.
fn hand_on(group: &Path) -> Result<(), String> {
    let have = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    let mut result = Ok(());
    for controller in WANTED
        .into_iter()
        .chain([IO])
        .filter(|name| have.split_whitespace().any(|one| one == *name))
    {
        let handed = put(group, "cgroup.subtree_control", format!("+{controller}"));
        if controller == IO {
            continue;
        }
        result = result.and(handed.map_err(|error| {
            let what = format!("hand on the {controller} controller");
            told(group, &what, &error)
        }));
    }
    result
}

/// Moves this process to the shims. Below the daemon's own group they stay in its leaf.
pub(super) fn settle(place: &Place) {
    if let Place::Above(_) = place {
        let shims = place.base().join(SHIMS);
        let _ = make(&shims).and_then(|()| put(&shims, "cgroup.procs", std::process::id()));
    }
}

/// The controllers that groups below `base` have.
fn handed_on(base: &Path) -> Vec<String> {
    let text = fs::read_to_string(base.join("cgroup.subtree_control")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

pub(super) fn lacks(place: &Place) -> Vec<&'static str> {
    let have = handed_on(&place.base());
    WANTED
        .into_iter()
        .filter(|name| !have.iter().any(|one| one == name))
        .collect()
}

/// Whether groups of sandboxes can be held to so many bytes a second. The root of the tree has
/// not the files that its children have.
pub(super) fn has_ceilings(place: &Place) -> bool {
    let base = place.base();
    let handed = handed_on(&base).iter().any(|one| one == IO);
    handed && (base.join("io.max").exists() || !base.join("cgroup.type").exists())
}

pub(super) fn create(
    place: &Place,
    id: &str,
    limits: &Limits,
) -> io::Result<(PathBuf, Vec<Unenforced>)> {
    let base = place.base();
    let path = base.join(id);
    make(&path)?;
    show(&path)?;
    let missing = limit(&path, &handed_on(&base), limits).inspect_err(|_| {
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
    if let Some(weight) = limits.io_weight {
        share_disk(path, weight)?;
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

/// Sets the share of the disk by whatever divides it here. That nothing does is no lack that an
/// operator could mend by delegation: it depends on the disk's scheduler.
fn share_disk(path: &Path, weight: u32) -> io::Result<()> {
    let all = [("io.weight", 10_000), ("io.bfq.weight", 1000)];
    let found = all.into_iter().filter(|(file, _)| path.join(file).exists());
    for (file, most) in found {
        put(path, file, format!("default {}", weight.clamp(1, most)))?;
    }
    Ok(())
}

pub(super) fn oom_kills(path: &Path) -> u64 {
    // oom_group_kill counts groups and came with 5.17; a group kill counts in oom_kill, too.
    value_of(path, "memory.events", "oom_kill").max(value_of(
        path,
        "memory.events",
        "oom_group_kill",
    ))
}

pub(super) fn cpu(path: &Path) -> io::Result<Duration> {
    let text = fs::read_to_string(path.join("cpu.stat"))?;
    let used = text
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok());
    Ok(Duration::from_micros(used.unwrap_or(0)))
}

pub(super) fn usage(path: &Path) -> io::Result<Usage> {
    // A controller that is not there has no file.
    let ask = |file: &str| match number(path, file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.exists() => Ok(0),
        other => other,
    };
    Ok(Usage {
        cpu: cpu(path).unwrap_or_default(),
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
        group(&base, controllers);
        (dir, base)
    }

    /// The files of a group that is not the root, and is ours.
    fn group(path: &Path, controllers: &str) {
        fs::write(path.join("cgroup.controllers"), controllers).unwrap();
        for file in ["cgroup.procs", "cgroup.subtree_control", "cgroup.type"] {
            fs::write(path.join(file), "").unwrap();
        }
    }

    #[test]
    fn sandboxes_go_beside_the_leaf_of_a_daemon_that_has_no_more() {
        let (dir, expected) = host("cpuset cpu io memory pids\n");
        for own in [
            "0::/system.slice/pastina.service\n",
            "0::/system.slice/pastina.service/daemon\n",
        ] {
            let found = find(dir.path(), MOUNTS, own).unwrap();
            assert_eq!(found, Host::V2(Place::Own(expected.clone())));
        }
    }

    #[test]
    fn sandboxes_go_as_far_up_as_groups_are_ours() {
        let (dir, own) = host("cpu memory pids\n");
        let above = |group: &Path| Host::V2(Place::Above(group.to_owned()));
        let find = || find(dir.path(), MOUNTS, "0::/system.slice/pastina.service\n").unwrap();
        let slice = own.parent().unwrap();
        group(slice, "cpu memory pids\n");
        assert_eq!(find(), above(slice));
        let top = slice.parent().unwrap();
        group(top, "cpu memory pids\n");
        assert_eq!(find(), above(top));
        // A container's root has processes, and is not the real one.
        fs::write(top.join("cgroup.procs"), "1\n").unwrap();
        assert_eq!(find(), above(slice));
        fs::remove_file(top.join("cgroup.type")).unwrap();
        assert_eq!(find(), above(top));
    }

    #[test]
    fn a_group_without_controllers_says_what_to_do() {
        let (dir, _) = host("\n");
        let reason = find(dir.path(), MOUNTS, "0::/system.slice/pastina.service\n").unwrap_err();
        assert!(reason.contains("Delegate=yes"), "{reason}");
    }

    #[test]
    fn preparing_its_own_group_moves_the_daemon_and_hands_controllers_on() {
        let (_dir, base) = host("memory\n");
        fs::create_dir(base.join(LEAF)).unwrap();
        prepare(&Place::Own(base.clone())).unwrap();
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
    fn preparing_a_group_above_leaves_the_daemon_where_it_is() {
        let (_dir, top) = host("memory\n");
        let base = top.join(PARENT);
        fs::create_dir(&base).unwrap();
        group(&base, "memory\n");
        prepare(&Place::Above(top.clone())).unwrap();
        for group in [&top, &base] {
            let read = |file: &str| fs::read_to_string(group.join(file)).unwrap();
            assert_eq!(read("cgroup.subtree_control"), "+memory");
            assert_eq!(read("cgroup.procs"), "");
        }
    }

    #[test]
    fn limits_are_written_and_missing_controllers_told() {
        let (_dir, base) = host("");
        fs::write(base.join("cgroup.subtree_control"), "cpu memory\n").unwrap();
        let place = Place::Own(base);
        assert_eq!(lacks(&place), ["pids"]);
        let limits = Limits {
            memory: Some(64 << 20),
            cpu_weight: Some(50),
            cpu_milli: Some(1500),
            pids: Some(10),
            files: None,
            io_weight: None,
            io_ceiling: crate::sandbox::Ceiling::default(),
        };
        let (path, missing) = create(&place, "one", &limits).unwrap();
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
