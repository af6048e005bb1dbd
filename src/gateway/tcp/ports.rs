//! Which ports are open: those of the table, as soon as they are in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::port::Port;
use crate::{
    gateway::{
        AccessRecord, Listen, Tcp, counters::Counters, error::GatewayError, listen, worker::Shared,
    },
    model::AppId,
};

/// How long until a port that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Serves TCP routes until told to drain, then ends when no connection is left; cuts them where
/// `halt` has no sender any more.
pub(in crate::gateway) async fn serve(
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    tcp: Tcp,
    drain: watch::Receiver<bool>,
    mut halt: watch::Receiver<()>,
) {
    let cut = CancellationToken::new();
    let _cut = cut.clone().drop_guard();
    let ports = Ports {
        shared,
        counters,
        tcp,
        drain,
        cut,
        tasks: TaskTracker::new(),
        open: BTreeMap::new(),
        closed: BTreeMap::new(),
    };
    tokio::select! {
        () = ports.run() => {}
        // Nothing is ever sent: an error says that the sender is gone.
        _ = halt.changed() => {}
    }
}

struct Ports {
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    tcp: Tcp,
    drain: watch::Receiver<bool>,
    /// Ends every connection at once.
    cut: CancellationToken,
    tasks: TaskTracker,
    /// By port, what closes it.
    open: BTreeMap<u16, CancellationToken>,
    closed: BTreeMap<u16, Closed>,
}

/// A port that could not be opened.
#[derive(Default)]
struct Closed {
    reason: String,
    /// Whose logs tell of it.
    told: BTreeSet<AppId>,
}

impl Ports {
    async fn run(mut self) {
        loop {
            self.tcp.changed.mark_unchanged();
            self.follow();
            let retry = !self.closed.is_empty();
            let mut drain = self.drain.clone();
            // All of these can be dropped half-way: they take nothing.
            let last = tokio::select! {
                _ = drain.wait_for(|draining| *draining) => break,
                changed = self.tcp.changed.changed() => changed.is_err(),
                () = tokio::time::sleep(RETRY), if retry => false,
            };
            if last {
                // There will be no other table.
                let _ = drain.wait_for(|draining| *draining).await;
                break;
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Opens what is new in the table and closes what is not in it any more.
    fn follow(&mut self) {
        let table = self.shared.table.load_full();
        let wanted: BTreeSet<u16> = table.ports().collect();
        self.open.retain(|port, closing| {
            let stays = wanted.contains(port);
            if !stays {
                closing.cancel();
            }
            stays
        });
        self.closed.retain(|port, _| wanted.contains(port));
        for number in wanted {
            if self.open.contains_key(&number) {
                continue;
            }
            match self.bind(number) {
                Ok(sockets) => {
                    self.closed.remove(&number);
                    self.start(number, sockets);
                }
                Err(error) => {
                    let apps = table
                        .port(number)
                        .into_iter()
                        .flat_map(|entry| entry.backends.iter().map(|backend| backend.app));
                    self.refused(number, &error, apps.collect());
                }
            }
        }
    }

    fn bind(&self, number: u16) -> Result<Vec<std::net::TcpListener>, GatewayError> {
        let mut sockets = Vec::new();
        for address in &self.tcp.addresses {
            let listen = Listen {
                addr: SocketAddr::new(*address, number),
                setting: self.tcp.setting.clone(),
            };
            sockets.extend(listen::bind(&listen, 1)?.sockets);
        }
        Ok(sockets)
    }

    fn start(&mut self, number: u16, sockets: Vec<std::net::TcpListener>) {
        let closing = CancellationToken::new();
        let port = Arc::new(Port::new(
            number,
            Arc::clone(&self.shared),
            Arc::clone(&self.counters),
            self.tasks.clone(),
            (closing.clone(), self.cut.clone()),
        ));
        for socket in sockets {
            match tokio::net::TcpListener::from_std(socket) {
                Ok(listener) => {
                    let accept = Arc::clone(&port).accept(listener, self.drain.clone());
                    let runtime = &self.shared.config.runtime;
                    self.tasks.spawn_on(accept, runtime);
                }
                Err(error) => tracing::error!(%error, number, "cannot use a socket of a TCP route"),
            }
        }
        self.open.insert(number, closing);
    }

    /// Tells the operator why the port is not open, and its apps that it is not; each once.
    fn refused(&mut self, number: u16, error: &GatewayError, apps: BTreeSet<AppId>) {
        let closed = self.closed.entry(number).or_default();
        let mut reason = error.to_string();
        if let Some(source) = error.source() {
            reason = format!("{reason}: {source}");
        }
        if closed.reason != reason {
            tracing::warn!("the port of a TCP route is not open: {reason}");
            closed.reason = reason;
        }
        for app in apps {
            if closed.told.insert(app) {
                self.shared.access.write(|| {
                    let text = format!(
                        "TCP port {number} of this app's route cannot be opened on the host, \
                         which has other use for it. It is tried again; to have another port, \
                         delete the route and create one anew."
                    );
                    AccessRecord::notice(app, text)
                });
            }
        }
    }
}
