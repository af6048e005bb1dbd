//! How the daemon is told to end, and what becomes of the apps then.

use std::{path::Path, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::sandbox::{self, Status};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// SIGTERM, from a service manager: the daemon ends, the apps go on running and the
    /// next daemon adopts them.
    EndDaemon,
    /// SIGINT, from a person at the terminal: everything ends.
    EndAll,
    /// SIGHUP: read files again.
    Reload,
}

/// The signals that the daemon obeys.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes over the signals from their defaults.
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. Can be dropped half-way.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::EndDaemon,
            _ = self.interrupt.recv() => Wish::EndAll,
            _ = self.hangup.recv() => Wish::Reload,
        }
    }
}

/// Ends every instance whose folder is in `root`, and removes what they leave.
pub(super) async fn stop_apps(root: &Path, grace: Duration) {
    let found = match sandbox::adopt_all(root).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, root = %root.display(), "cannot look for running instances");
            return;
        }
    };
    let stopping = found
        .into_iter()
        .filter_map(|(_, sandbox)| sandbox.ok())
        .map(async |sandbox| {
            sandbox.stop(grace);
            let mut status = sandbox.status();
            // An error means that nobody will tell more, so it is as good as ended.
            let _ = status
                .wait_for(|status| matches!(status, Status::Ended(_)))
                .await;
            let dir = sandbox.dir().to_owned();
            if let Err(error) = sandbox.remove().await {
                tracing::warn!(%error, dir = %dir.display(), "cannot remove an instance's folder");
            }
        });
    futures_util::future::join_all(stopping).await;
}
