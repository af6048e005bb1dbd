//! How the daemon is told to end, and what becomes of the apps then.

use tokio::signal::unix::{Signal, SignalKind, signal};

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
            // Of two signals that came at once the wider one counts: an operator who sends
            // SIGINT and then has the service stopped wants everything ended.
            biased;
            _ = self.interrupt.recv() => Wish::EndAll,
            _ = self.terminate.recv() => Wish::EndDaemon,
            _ = self.hangup.recv() => Wish::Reload,
        }
    }
}
