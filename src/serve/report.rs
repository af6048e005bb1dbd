//! What a running daemon found out about its host, where `pastina doctor` finds it: a daemon
//! under systemd has other rights than whoever asks.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::sandbox::Finding;

/// Name of the file in the run folder.
const FILE: &str = "host.json";

/// What one daemon found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    /// The daemon's process id.
    pub(super) pid: u32,
    /// The daemon's release.
    pub(super) version: String,
    /// What it found at its start.
    pub(super) findings: Vec<Finding>,
}

impl Report {
    /// The report of this process.
    pub(super) fn own(findings: &[Finding]) -> Self {
        Self {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            findings: findings.to_vec(),
        }
    }

    fn path(run_dir: &Path) -> PathBuf {
        run_dir.join(FILE)
    }

    /// The report of the daemon with this run folder, where it runs.
    pub(super) fn read(run_dir: &Path) -> io::Result<Self> {
        let report: Self = serde_json::from_slice(&fs::read(Self::path(run_dir))?)?;
        // A daemon that was killed leaves its file behind.
        fs::metadata(format!("/proc/{}", report.pid))?;
        Ok(report)
    }

    /// Writes it in one step, readable for everybody: it holds no secret.
    pub(super) fn write(&self, run_dir: &Path) -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(run_dir)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.persist(Self::path(run_dir))?;
        Ok(())
    }

    /// Takes it away again.
    pub(super) fn remove(run_dir: &Path) {
        let _ = fs::remove_file(Self::path(run_dir));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_written_while_its_daemon_lives() {
        let dir = tempfile::tempdir().unwrap();
        let report = Report::own(&[Finding::enforced("walls", "all of them")]);
        report.write(dir.path()).unwrap();
        assert_eq!(Report::read(dir.path()).unwrap(), report);
        // Above the greatest number that a process can have (proc_sys_kernel(5), pid_max).
        let pid = 1 << 23;
        Report { pid, ..report }.write(dir.path()).unwrap();
        Report::read(dir.path()).unwrap_err();
        Report::remove(dir.path());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
