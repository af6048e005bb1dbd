//! The gateway as a whole: its threads, their start and their end.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, atomic::AtomicUsize},
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{oneshot, watch},
};

use super::{
    AccessLog, ApiService, Config, Counts, GatewayError, Tcp,
    counters::Counters,
    listen, tcp,
    worker::{Shared, Worker},
};
use crate::{certs::Certs, routing::RouteTable, sandbox::Turns};

/// Threads for reading files, for each gateway thread; they end when there is nothing to read.
const FILE_THREADS: usize = 4;

/// The running gateway. Dropping it ends everything at once; [`Gateway::drain`] waits.
pub struct Gateway {
    http: Vec<SocketAddr>,
    https: Vec<SocketAddr>,
    drain: watch::Sender<bool>,
    /// Dropping it tells the threads to end without waiting.
    halt: watch::Sender<()>,
    ended: Vec<oneshot::Receiver<()>>,
    counters: Vec<Arc<Counters>>,
    access: AccessLog,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("http", &self.http)
            .field("https", &self.https)
            .field("threads", &self.counters.len())
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// Listens and starts the threads. `table` may be swapped at any time and counts from the
    /// next request on.
    ///
    /// # Errors
    /// Where an address cannot be listened at, or a thread cannot be made.
    pub fn start(
        config: Config,
        table: Arc<ArcSwap<RouteTable>>,
        certs: &Certs,
        api: ApiService,
        access: AccessLog,
    ) -> Result<Self, GatewayError> {
        let threads = match config.threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let mut sockets: Vec<Vec<(TcpListener, bool)>> = (0..threads).map(|_| vec![]).collect();
        let mut listen = |addresses: &[_], tls| {
            let mut bound = Vec::new();
            for address in addresses {
                let one = listen::bind(address, threads)?;
                bound.push(one.addr);
                for (sockets, socket) in sockets.iter_mut().zip(one.sockets) {
                    sockets.push((socket, tls));
                }
            }
            Ok::<_, GatewayError>(bound)
        };
        let http = listen(&config.http, false)?;
        let https = listen(&config.https, true)?;
        if http.is_empty() && https.is_empty() {
            return Err(GatewayError::NoAddress);
        }

        let shared = Arc::new(Shared {
            config,
            table,
            api,
            access: access.clone(),
            tls: certs.server_config(),
            connections: AtomicUsize::new(0),
        });
        let mut gateway = Self {
            http,
            https,
            drain: watch::Sender::new(false),
            halt: watch::Sender::new(()),
            ended: Vec::new(),
            counters: Vec::new(),
            access,
        };
        for (number, sockets) in (0..).zip(sockets) {
            gateway
                .thread(number, sockets, &shared)
                .map_err(GatewayError::Thread)?;
        }
        if let Some(tcp) = shared.config.tcp.clone() {
            gateway.serve_tcp(tcp, &shared);
        }
        Ok(gateway)
    }

    fn thread(
        &mut self,
        number: u32,
        sockets: Vec<(TcpListener, bool)>,
        shared: &Arc<Shared>,
    ) -> io::Result<()> {
        let counters = Arc::new(Counters::default());
        self.counters.push(Arc::clone(&counters));
        let (ended, end) = oneshot::channel();
        self.ended.push(end);
        let (drain, mut halt) = (self.drain.subscribe(), self.halt.subscribe());
        let shared = Arc::clone(shared);
        let mut runtime = Builder::new_current_thread();
        runtime
            .enable_all()
            .max_blocking_threads(FILE_THREADS)
            .thread_name("gateway-files");
        let (started, start) = std::sync::mpsc::channel();
        thread::Builder::new()
            .name(format!("gateway-{number}"))
            .spawn(move || {
                // Every request waits for this thread. Where the host refuses, it works as well.
                let _ = Turns::Shortest.take();
                let runtime = match runtime.build_local(LocalOptions::default()) {
                    Ok(runtime) => runtime,
                    Err(error) => {
                        let _ = started.send(Err(error));
                        return;
                    }
                };
                let _ = started.send(Ok(()));
                runtime.block_on(async {
                    let worker = Worker::new(shared, counters, number);
                    tokio::select! {
                        () = worker.run(sockets, drain) => {}
                        // Nothing is ever sent: an error says that the sender is gone.
                        _ = halt.changed() => {}
                    }
                });
                drop(runtime);
                let _ = ended.send(());
            })?;
        start.recv().map_err(io::Error::other)?
    }

    fn serve_tcp(&mut self, tcp: Tcp, shared: &Arc<Shared>) {
        let counters = Arc::new(Counters::default());
        self.counters.push(Arc::clone(&counters));
        let (ended, end) = oneshot::channel();
        self.ended.push(end);
        let (drain, halt) = (self.drain.subscribe(), self.halt.subscribe());
        let serve = tcp::serve(Arc::clone(shared), counters, tcp, drain, halt);
        shared.config.runtime.spawn(async move {
            serve.await;
            let _ = ended.send(());
        });
    }

    /// The addresses for HTTP, then those for HTTPS, with the ports that the kernel chose.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.http.iter().chain(&self.https).copied().collect()
    }

    /// The addresses for HTTP.
    #[must_use]
    pub fn http_addrs(&self) -> &[SocketAddr] {
        &self.http
    }

    /// The addresses for HTTPS.
    #[must_use]
    pub fn https_addrs(&self) -> &[SocketAddr] {
        &self.https
    }

    /// What has been counted so far, over all threads.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for counters in &self.counters {
            counters.add_to(&mut sum);
        }
        sum
    }

    /// How many access lines were dropped because nobody read them in time.
    #[must_use]
    pub fn dropped_access_lines(&self) -> u64 {
        self.access.dropped()
    }

    /// Stops accepting, lets requests in flight finish for at most `patience`, then ends
    /// what is left.
    pub async fn drain(self, patience: Duration) {
        let Self {
            drain, halt, ended, ..
        } = self;
        drain.send_replace(true);
        let mut ended = futures_util::future::join_all(ended);
        if tokio::time::timeout(patience, &mut ended).await.is_err() {
            tracing::warn!("requests were cut off at the end of the drain time");
            drop(halt);
            ended.await;
        }
    }
}
