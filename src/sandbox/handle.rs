//! The daemon's handle on one sandbox.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::sync::{mpsc, watch};

use super::{
    SandboxError, Space, Status, Traffic, Turns, Usage,
    cgroup::Group,
    connection::{self, Asked},
    disk::WRITTEN,
    log,
    status::{Doing, Kept, Process},
    tunnel,
};
use crate::{model::NetworkPolicy, stdx::removal::remove_tree};

/// A handle on one sandbox; clones share it. Dropping it does not stop the sandbox.
#[derive(Debug, Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    status: watch::Receiver<Status>,
    logged: watch::Receiver<u64>,
    asked: watch::Sender<Asked>,
    /// Once it is known.
    group: OnceLock<Group>,
    /// Dropped with the last handle, which ends the task that listens to the shim.
    _alive: mpsc::Sender<()>,
}

impl Sandbox {
    /// Takes over what is in `dir`, which is known to hold a sandbox.
    pub(super) fn new(dir: PathBuf, kept: &Kept) -> Self {
        let (status_to, status) = watch::channel(kept.status.clone());
        let (logged_to, logged) = watch::channel(0);
        let (asked, asks) = watch::channel(Asked::default());
        let (alive, life) = mpsc::channel(1);
        let group = kept
            .group
            .clone()
            .map_or_else(OnceLock::new, OnceLock::from);
        let told = connection::Told {
            status: status_to,
            logged: logged_to,
        };
        tokio::spawn(connection::follow(dir.clone(), told, asks, life));
        Self {
            inner: Arc::new(Inner {
                dir,
                status,
                logged,
                asked,
                group,
                _alive: alive,
            }),
        }
    }

    /// The instance's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Tells where the sandbox stands, and wakes when that changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.inner.status.clone()
    }

    /// Asks the command to stop with SIGTERM, and kills everything inside after `grace`.
    /// Returns at once; [`Sandbox::status`] tells the end. A second call can only shorten.
    pub fn stop(&self, grace: Duration) {
        self.inner.asked.send_modify(|asked| {
            asked.stop = Some(asked.stop.map_or(grace, |before| before.min(grace)));
        });
    }

    /// Says what may be reached from inside from now on, where the sandbox has a way out
    /// ([`Network::Tunnel`](super::Network::Tunnel)). It holds for what runs, without a restart:
    /// connections that are no longer permitted end. Saying the same again costs nothing, so it
    /// may be said after every look; what was said last also holds after the daemon has gone.
    ///
    /// # Errors
    /// Where it could not be written down in the instance's folder.
    pub async fn set_network(&self, policy: &NetworkPolicy) -> Result<(), SandboxError> {
        if matches!(*self.inner.status.borrow(), Status::Ended(_)) {
            return Ok(());
        }
        let (dir, policy) = (self.inner.dir.clone(), policy.clone());
        let task = tokio::task::spawn_blocking(move || tunnel::write(&dir, &policy));
        let changed = task
            .await
            .map_err(io::Error::other)
            .and_then(|done| done)
            .doing(|| format!("write down what {} may reach", self.inner.dir.display()))?;
        if changed {
            self.inner.asked.send_modify(|asked| asked.networks += 1);
        }
        Ok(())
    }

    /// How far its log is written: wakes when there is more for a [`log::Reader`] whose
    /// [`offset`](log::Reader::offset) is below. After the end of the sandbox it holds the
    /// offset after the last line, or 0 where the shim was gone before it could be asked:
    /// then read until there is no more.
    #[must_use]
    pub fn logged(&self) -> watch::Receiver<u64> {
        self.inner.logged.clone()
    }

    /// A reader of its log from `offset` on: 0, or where an earlier reader stopped. It blocks
    /// on the disk, and stays usable after the sandbox has ended, until [`Sandbox::remove`].
    ///
    /// # Errors
    /// Where the log is there but cannot be read.
    pub fn log(&self, offset: u64) -> io::Result<log::Reader> {
        log::Reader::open(&self.inner.dir, offset)
    }

    /// What it uses now.
    ///
    /// # Errors
    /// Where there is no cgroup to ask.
    pub fn usage(&self) -> io::Result<Usage> {
        self.group()?.usage()
    }

    /// Processor time that it has used so far. Blocks on the kernel.
    ///
    /// # Errors
    /// Where there is no cgroup to ask.
    pub fn cpu(&self) -> io::Result<Duration> {
        self.group()?.cpu()
    }

    /// Has everything in it take `turns` on the processor. What starts meanwhile may be missed,
    /// so say it again. Blocks on the kernel.
    ///
    /// # Errors
    /// Where there is no cgroup to ask, or the kernel refuses.
    pub fn take_turns(&self, turns: Turns) -> io::Result<()> {
        let threads = self.group()?.threads()?;
        threads.into_iter().try_for_each(|tid| turns.give(tid))
    }

    fn group(&self) -> io::Result<&Group> {
        if let Some(group) = self.inner.group.get() {
            return Ok(group);
        }
        let group = self
            .kept()
            .and_then(|kept| kept.group)
            .ok_or(io::ErrorKind::Unsupported)?;
        Ok(self.inner.group.get_or_init(|| group))
    }

    /// Bytes that it has written to its disk and that are still there; none where that is not
    /// limited, or not known yet. Blocks on the kernel.
    #[must_use]
    pub fn written(&self) -> Option<u64> {
        let kept = self.kept()?;
        if kept.disk?.image {
            let init = kept.init.filter(Process::lives)?;
            // Of its disk, and a mount that nothing inside can replace.
            let seen = format!("/proc/{}/root/tmp", init.pid);
            return Space::at(Path::new(&seen)).ok().map(|space| space.used);
        }
        let told = std::fs::read_to_string(self.inner.dir.join(WRITTEN)).ok()?;
        told.trim().parse().ok()
    }

    /// What went through its way out since its start, also after its end; nothing where it has
    /// none.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        tunnel::traffic(&self.inner.dir)
    }

    /// Limits and walls that are weaker than asked for on this host, each with its reason.
    /// Complete once the command runs.
    #[must_use]
    pub fn weaker(&self) -> Vec<String> {
        self.kept().map(|kept| kept.weaker).unwrap_or_default()
    }

    fn kept(&self) -> Option<Kept> {
        Kept::read(&self.inner.dir).ok().flatten()
    }

    /// Removes what an ended sandbox left behind: cgroup, mounts, folder.
    ///
    /// # Errors
    /// Where it has not ended, or something could not be removed.
    pub async fn remove(self) -> Result<(), SandboxError> {
        if !matches!(*self.inner.status.borrow(), Status::Ended(_)) {
            return Err(SandboxError::StillRunning);
        }
        let dir = self.inner.dir.clone();
        let what = format!("remove {}", dir.display());
        let kept = self.kept();
        let task = tokio::task::spawn_blocking(move || {
            if let Some(group) = kept.and_then(|kept| kept.group) {
                group.remove()?;
            }
            remove_tree(&dir)
        });
        task.await
            .map_err(io::Error::other)
            .and_then(|done| done)
            .doing(|| what)
    }
}
