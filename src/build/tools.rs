//! The host's programs: whether they are there, and which version.

use std::{
    collections::HashMap,
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

/// Where `tool` is on this host.
pub(super) fn find(tool: &Tool) -> Option<PathBuf> {
    let program = |path: &&PathBuf| {
        fs::metadata(path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    tool.paths.iter().find(program).cloned()
}

/// Versions that were asked for, until a program changes.
#[derive(Debug, Default)]
pub(super) struct Versions {
    known: Mutex<HashMap<(PathBuf, Option<SystemTime>), Option<String>>>,
}

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
            assert_eq!(find(&tool(paths)), expected.map(PathBuf::from), "{paths:?}");
        };
        check(&["/nonexistent", "/bin/sh"], Some("/bin/sh"));
        check(&["/etc", "/etc/passwd"], None);
    }

    #[tokio::test]
    async fn every_tool_that_is_there_tells_its_version() {
        let versions = Versions::default();
        for runtime in Catalog::load(None).unwrap().iter() {
            let Some(version) = &runtime.version else {
                continue;
            };
            let tool = runtime.tools.iter().find(|tool| tool.name == version.tool);
            if let Some(path) = tool.and_then(find) {
                let told = versions.ask(&path, version).await;
                let told = told.unwrap_or_else(|| panic!("{} tells nothing", path.display()));
                assert!(told.starts_with(|c: char| c.is_ascii_digit()), "{told}");
                assert_eq!(versions.ask(&path, version).await, Some(told));
            }
        }
    }
}
