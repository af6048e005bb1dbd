//! What a daemon and its apps must not leave behind.

use std::{fs, path::Path};

/// Every process that may be looked at, with its command line.
fn processes() -> Vec<(i32, String)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            (!line.is_empty()).then_some((pid, line))
        })
        .collect()
}

/// The processes whose command line has all of `parts` in it.
pub(crate) fn processes_with(parts: &[&str]) -> Vec<i32> {
    let matching = |line: &str| parts.iter().all(|part| line.contains(part));
    let found = processes().into_iter();
    found
        .filter(|(_, line)| matching(line))
        .map(|(pid, _)| pid)
        .collect()
}

/// What is left of a daemon that kept everything below `dir` and has ended all its apps.
pub(super) fn of(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let dir_text = dir.to_str().unwrap();
    for (pid, line) in processes() {
        if line.contains(dir_text) {
            found.push(format!("process {pid}: {line}"));
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    found.extend(
        mounts
            .lines()
            .filter(|line| line.contains(dir_text))
            .map(|line| format!("mount: {line}")),
    );
    for device in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
        let file = fs::read_to_string(device.path().join("loop/backing_file")).unwrap_or_default();
        if file.contains(dir_text) {
            let device = device.path();
            found.push(format!("loop device {}: {}", device.display(), file.trim()));
        }
    }
    // What runs in the daemon itself has a folder without a sandbox, and caches stay.
    for (folder, inside) in [
        ("instances", "sandbox"),
        ("builds", "sandbox"),
        ("blobs/half", ""),
    ] {
        let left = fs::read_dir(dir.join("state").join(folder));
        for entry in left.into_iter().flatten().flatten() {
            if entry.path().join(inside).exists() {
                found.push(format!("folder {}", entry.path().display()));
            }
        }
    }
    let ids = instances(&dir.join("state/logs"));
    for controller in fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten()
    {
        for id in &ids {
            let group = controller.path().join("pastina").join(id);
            if group.exists() {
                found.push(format!("control group {}", group.display()));
            }
        }
    }
    found
}

/// Every instance that the apps' logs tell of.
fn instances(logs: &Path) -> Vec<String> {
    const MARK: &str = "creating container for instance ";
    let mut ids = Vec::new();
    for app in fs::read_dir(logs).into_iter().flatten().flatten() {
        for file in fs::read_dir(app.path()).into_iter().flatten().flatten() {
            let text = fs::read(file.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let marked = text.split(MARK).skip(1);
            ids.extend(marked.filter_map(|rest| rest.get(..36).map(str::to_owned)));
        }
    }
    ids
}
