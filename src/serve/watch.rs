//! Files that take effect when they change: configuration, certificates, runtimes.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// Editors and certificate tools write in several steps; one reload after the last is enough.
const SETTLE: Duration = Duration::from_millis(200);

/// Watches files and folders for as long as it lives.
#[derive(Debug)]
pub(super) struct Watch {
    _watcher: Option<RecommendedWatcher>,
    changed: mpsc::Receiver<()>,
}

impl Watch {
    /// Watches `paths`, which need not exist yet. Where the kernel refuses (its limit of
    /// watches), that is logged and `SIGHUP` remains.
    pub(super) fn new(paths: &[PathBuf]) -> Self {
        let (tell, changed) = mpsc::channel(1);
        let wanted: Vec<PathBuf> = paths.to_vec();
        let concerned = move |path: &Path| {
            wanted
                .iter()
                .any(|wanted| path == wanted || path.starts_with(wanted))
        };
        let handler = move |event: notify::Result<notify::Event>| {
            // What cannot be told apart is worth a look.
            let relevant = event.is_ok_and(|event| {
                !event.kind.is_access()
                    && (event.paths.is_empty() || event.paths.iter().any(|path| concerned(path)))
            });
            if relevant {
                // One that waits already says the same.
                let _ = tell.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(handler).and_then(|mut watcher| {
            // Folders rather than files, since a file that is replaced is another one.
            let mut folders: Vec<&Path> = paths
                .iter()
                .filter_map(|path| {
                    if path.is_dir() {
                        Some(path.as_path())
                    } else {
                        path.parent()
                    }
                })
                .filter(|folder| folder.is_dir())
                .collect();
            folders.sort_unstable();
            folders.dedup();
            for folder in folders {
                watcher.watch(folder, RecursiveMode::NonRecursive)?;
            }
            Ok(watcher)
        });
        if let Err(error) = &watcher {
            tracing::warn!(%error, "changes of files are not seen; send SIGHUP after a change");
        }
        Self {
            _watcher: watcher.ok(),
            changed,
        }
    }

    /// Completes some time after one or more of the paths changed.
    ///
    /// Dropping it half-way loses at most the settling time.
    pub(super) async fn changed(&mut self) {
        if self.changed.recv().await.is_none() {
            return std::future::pending().await;
        }
        loop {
            tokio::select! {
                more = self.changed.recv() => if more.is_none() { return },
                () = tokio::time::sleep(SETTLE) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_replaced_file_is_seen_and_its_neighbour_is_not_needed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pastina.toml");
        let mut watch = Watch::new(std::slice::from_ref(&file));
        let new = dir.path().join("new");
        std::fs::write(&new, "x").unwrap();
        std::fs::rename(&new, &file).unwrap();
        tokio::time::timeout(Duration::from_secs(20), watch.changed())
            .await
            .unwrap();
    }
}
