//! The host's programs: whether they are there, and which version.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::process::Command;

use super::PATH;
use crate::runtimes::{Tool, Version};

/// How long a program may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where `tool` is on this host, the best first.
pub(super) fn find(tool: &Tool) -> Vec<PathBuf> {
    let program = |path: &PathBuf| {
        fs::metadata(path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let paths = tool.paths.iter().flat_map(|path| expand(path));
    paths.filter(program).collect()
}

/// The paths that one with a `*` in a part stands for, those with the highest numbers first.
fn expand(path: &Path) -> Vec<PathBuf> {
    let parts: Vec<_> = path.iter().collect();
    let star = |part: &&OsStr| part.as_encoded_bytes().contains(&b'*');
    let Some(at) = parts.iter().position(star) else {
        return vec![path.to_owned()];
    };
    let pattern = parts[at].to_string_lossy();
    let Some((before, after)) = pattern.split_once('*') else {
        return Vec::new();
    };
    let folder: PathBuf = parts[..at].iter().collect();
    let below: PathBuf = parts[at + 1..].iter().collect();
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.len() >= before.len() + after.len())
        .filter(|name| name.starts_with(before) && name.ends_with(after))
        .collect();
    names.sort_by(|one, other| natural(other).cmp(&natural(one)));
    let path = |name: String| match below.as_os_str().is_empty() {
        true => folder.join(name),
        false => folder.join(name).join(&below),
    };
    names.into_iter().map(path).collect()
}

/// The numbers in a name, and the name.
fn natural(name: &str) -> (Vec<u64>, &str) {
    let numbers = name.split(|letter: char| !letter.is_ascii_digit());
    let numbers = numbers.filter_map(|number| number.parse().ok());
    (numbers.collect(), name)
}

/// Versions that were asked for, until a program changes.
#[derive(Debug, Default)]
pub(super) struct Versions {
    known: Mutex<HashMap<Program, Option<String>>>,
}

/// A program, and when it was changed.
type Program = (PathBuf, Option<SystemTime>);

impl Versions {
    /// What `tool` says its version is; none where it does not say.
    pub(super) async fn ask(&self, tool: &Path, version: &Version) -> Option<String> {
        let changed = fs::metadata(tool).and_then(|found| found.modified()).ok();
        let key = (tool.to_owned(), changed);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = known().get(&key) {
            return told.clone();
        }
        let told = ask(tool, version).await;
        known().insert(key, told.clone());
        told
    }
}

async fn ask(tool: &Path, version: &Version) -> Option<String> {
    let output = Command::new(tool)
        .args(&version.args)
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/nonexistent")
        .current_dir("/")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, output).await.ok()?.ok()?;
    // Java tells on stderr.
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    let found = version.matches.captures(&told)?.get(1)?;
    Some(found.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtimes::Catalog;

    #[test]
    fn finds_programs_alone() {
        let tool = |paths: &[&str]| Tool {
            name: "x".to_owned(),
            paths: paths.iter().map(PathBuf::from).collect(),
            install: String::new(),
            when: crate::runtimes::Condition::default(),
        };
        let check = |paths: &[&str], expected: Option<&str>| {
            let found = find(&tool(paths)).into_iter().next();
            assert_eq!(found, expected.map(PathBuf::from), "{paths:?}");
        };
        check(&["/nonexistent", "/bin/sh"], Some("/bin/sh"));
        check(&["/etc", "/etc/passwd"], None);
        check(&["/b*n/sh"], Some("/bin/sh"));

        let dir = tempfile::tempdir().unwrap();
        for name in ["tool9", "tool10", "other11"] {
            let folder = dir.path().join(name).join("bin");
            fs::create_dir_all(&folder).unwrap();
            fs::copy("/bin/true", folder.join("x")).unwrap();
        }
        let star = dir.path().join("tool*/bin/x");
        let found = find(&tool(&[star.to_str().unwrap()]));
        let expected = ["tool10/bin/x", "tool9/bin/x"].map(|name| dir.path().join(name));
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn every_tool_that_is_there_tells_its_version() {
        let versions = Versions::default();
        for runtime in Catalog::load(None).unwrap().iter() {
            let Some(version) = &runtime.version else {
                continue;
            };
            let tool = runtime.tools.iter().find(|tool| tool.name == version.tool);
            for path in tool.map(find).unwrap_or_default() {
                let told = versions.ask(&path, version).await;
                let told = told.unwrap_or_else(|| panic!("{} tells nothing", path.display()));
                assert!(told.starts_with(|c: char| c.is_ascii_digit()), "{told}");
                assert_eq!(versions.ask(&path, version).await, Some(told));
            }
        }
    }
}
