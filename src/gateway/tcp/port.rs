//! One open port and its connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::carry::carry;
use crate::gateway::{
    counters::Counters,
    worker::{ACCEPT_PAUSE, Counted, Shared},
};

/// Of the connections that there may be at all, the part that one port may have: the clients of
/// one app are not to keep out those of all others.
const SHARE: usize = 4;

/// How long connections may go on when the port is no route's any more; as long as an instance
/// that is replaced may answer what it was asked.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// One open port.
pub(super) struct Port {
    number: u16,
    pub(super) shared: Arc<Shared>,
    pub(super) counters: Arc<Counters>,
    tasks: TaskTracker,
    /// The port is to be closed; its connections have a moment.
    closing: CancellationToken,
    /// Everything is to end at once.
    cut: CancellationToken,
    room: Arc<Semaphore>,
    turn: AtomicU32,
}

impl Port {
    pub(super) fn new(
        number: u16,
        shared: Arc<Shared>,
        counters: Arc<Counters>,
        tasks: TaskTracker,
        (closing, cut): (CancellationToken, CancellationToken),
    ) -> Self {
        let room = (shared.config.limits.connections / SHARE).max(1);
        Self {
            number,
            counters,
            tasks,
            closing,
            cut,
            room: Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS))),
            turn: AtomicU32::new(0),
            shared,
        }
    }

    /// Takes connections until the port is to be closed.
    pub(super) async fn accept(
        self: Arc<Self>,
        listener: TcpListener,
        mut drain: watch::Receiver<bool>,
    ) {
        loop {
            // Dropped half-way, an accept leaves the connection to the kernel.
            let accepted = tokio::select! {
                biased;
                () = self.cut.cancelled() => return,
                () = self.closing.cancelled() => return,
                _ = drain.wait_for(|draining| *draining) => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((client, peer)) => self.take(client, peer),
                Err(error) => {
                    tracing::warn!(%error, port = self.number, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn take(self: &Arc<Self>, client: TcpStream, peer: SocketAddr) {
        let place = Arc::clone(&self.room).try_acquire_owned();
        let (Ok(place), Some(counted)) = (place, Counted::new(&self.shared)) else {
            self.counters.refused();
            return;
        };
        self.counters.connection();
        let port = Arc::clone(self);
        let runtime = &self.shared.config.runtime;
        self.tasks.spawn_on(
            async move {
                let _held = (place, counted);
                let entry = port.shared.table.load().port(port.number).cloned();
                let Some(entry) = entry else { return };
                let turn = port.turn.fetch_add(1, Relaxed);
                // Both streams close when they are dropped, wherever it is.
                tokio::select! {
                    () = carry(&port, &entry, turn, client, peer) => {}
                    () = port.over() => {}
                }
            },
            runtime,
        );
    }

    /// Waits until connections have no time left.
    async fn over(&self) {
        let moment = async {
            self.closing.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            () = self.cut.cancelled() => {}
            () = moment => {}
        }
    }
}
