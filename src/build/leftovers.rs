//! Builds that ended before their time, and those of a predecessor: ended and removed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{sync::mpsc, task::spawn_blocking, time::timeout};

use crate::{
    sandbox::{self, Sandbox, Status},
    stdx::removal::remove_tree,
};

/// How long the end of a killed sandbox is awaited.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes what is to be ended and removed; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Leftovers {
    sender: mpsc::UnboundedSender<Leftover>,
}

#[derive(Debug)]
struct Leftover {
    dir: PathBuf,
    sandbox: Option<Sandbox>,
}

impl Leftovers {
    /// Starts the task that removes them; it ends after the last handle, when all is removed.
    pub(super) fn start() -> Self {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Leftover>();
        tokio::spawn(async move {
            while let Some(leftover) = receiver.recv().await {
                remove(leftover).await;
            }
        });
        Self { sender }
    }

    /// Removes all that is in `dir` but `kept`. Blocks on the disk.
    pub(super) fn sweep(&self, dir: &Path, kept: &str) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_name() != kept {
                self.put(entry.path(), None);
            }
        }
    }

    fn put(&self, dir: PathBuf, sandbox: Option<Sandbox>) {
        // The task ends after the last sender alone.
        let _ = self.sender.send(Leftover { dir, sandbox });
    }
}

/// Holds one build: dropped before it is [cleared](Guard::clear), it kills the build and
/// leaves the rest to the task.
#[derive(Debug)]
pub(super) struct Guard {
    leftovers: Leftovers,
    dir: Option<PathBuf>,
    sandbox: Option<Sandbox>,
}

impl Guard {
    pub(super) const fn new(leftovers: Leftovers, dir: PathBuf) -> Self {
        Self {
            leftovers,
            dir: Some(dir),
            sandbox: None,
        }
    }

    /// The build runs in this sandbox.
    pub(super) fn hold(&mut self, sandbox: Sandbox) {
        self.sandbox = Some(sandbox);
    }

    /// Ends the build's sandbox, if it has one.
    pub(super) async fn end(&self) {
        if let Some(sandbox) = &self.sandbox {
            end(sandbox).await;
        }
    }

    /// Ends the build's sandbox and removes it, so that another can take its place.
    pub(super) async fn again(&mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            end(&sandbox).await;
            if let Err(error) = sandbox.remove().await {
                tracing::warn!(%error, "cannot remove the sandbox of a build");
            }
        }
    }

    /// Ends the build and removes what is left of it.
    pub(super) async fn clear(&mut self) {
        if let Some(dir) = self.dir.clone() {
            let sandbox = self.sandbox.clone();
            remove(Leftover { dir, sandbox }).await;
            // Only now: dropped while it removes, the task goes on with it.
            self.dir = None;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(dir) = self.dir.take() {
            if let Some(sandbox) = &self.sandbox {
                sandbox.stop(Duration::ZERO);
            }
            self.leftovers.put(dir, self.sandbox.take());
        }
    }
}

async fn end(sandbox: &Sandbox) {
    sandbox.stop(Duration::ZERO);
    let mut status = sandbox.status();
    let ended = status.wait_for(|status| matches!(status, Status::Ended(_)));
    // Where the sandbox never says, removing it fails and is told.
    let _ = timeout(PATIENCE, ended).await;
}

async fn remove(leftover: Leftover) {
    let Leftover { dir, sandbox } = leftover;
    let inside = dir.join("sandbox");
    let sandbox = match sandbox {
        Some(sandbox) => Some(sandbox),
        // One that was started but not yet known when its build was dropped, or a predecessor's.
        None if inside.exists() => sandbox::adopt(&inside).await.ok(),
        None => None,
    };
    if let Some(sandbox) = sandbox {
        end(&sandbox).await;
        if let Err(error) = sandbox.remove().await {
            tracing::warn!(dir = %dir.display(), %error, "cannot remove the sandbox of a build");
        }
    }
    let path = dir.clone();
    // A panic of the removal would be told by the runtime.
    if let Ok(Err(error)) = spawn_blocking(move || remove_tree(&path)).await {
        tracing::warn!(dir = %dir.display(), %error, "cannot remove the folder of a build");
    }
}
