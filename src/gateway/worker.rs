//! One thread of the gateway: its sockets, its pool, its counters.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use tokio::{
    net::TcpStream,
    sync::{Notify, watch},
};

use super::{
    ApiService, Config,
    access::{AccessLog, AccessRecord},
    connection,
    counters::Counters,
    direct::{Scratch, Spares},
    listen,
    pool::Pool,
    sample::{Line, Sample},
    site::Logins,
};
use crate::{
    model::{InstanceId, RouteId},
    routing::{Backend, Cursor, Entry, RouteTable, choose},
};

/// Pause after a failed accept, which is mostly for want of descriptors.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Routes whose turn a thread remembers; past that it starts afresh.
const REMEMBERED_ROUTES: usize = 100_000;

/// What all threads have in common.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) table: Arc<ArcSwap<RouteTable>>,
    pub(super) api: ApiService,
    pub(super) access: AccessLog,
    pub(super) tls: Arc<rustls::ServerConfig>,
    /// Connections of clients, over all threads.
    pub(super) connections: AtomicUsize,
}

/// What one thread has for itself.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) counters: Arc<Counters>,
    pub(super) pool: Pool,
    /// What the short way keeps for the next request.
    pub(super) spares: Spares,
    pub(super) scratch: Scratch,
    pub(super) live: Live,
    /// Who may see sites.
    pub(super) logins: Logins,
    lanes: RefCell<HashMap<RouteId, Lane>>,
    random: RefCell<SmallRng>,
    /// Whether clients are to be told that their connection ends with the next answer.
    pub(super) draining: Cell<bool>,
    /// Where new cursors begin: another place in each thread.
    offset: u32,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// What a thread remembers of a route.
struct Lane {
    cursor: Cursor,
    sample: Sample,
}

/// Counts what a drain has to wait for: connections and tunnels.
#[derive(Debug, Clone, Default)]
pub(super) struct Live(Rc<(Cell<usize>, Notify)>);

/// One thing that a drain waits for, until it is dropped.
#[derive(Debug)]
pub(super) struct Alive(Live);

impl Live {
    pub(super) fn one(&self) -> Alive {
        self.0.0.set(self.0.0.get() + 1);
        Alive(self.clone())
    }

    async fn none_left(&self) {
        while self.0.0.get() > 0 {
            self.0.1.notified().await;
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let (count, changed) = &*self.0.0;
        count.set(count.get() - 1);
        changed.notify_one();
    }
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, counters: Arc<Counters>, offset: u32) -> Rc<Self> {
        // Identifiers of requests and traces need to be distinct, not secret.
        let seed = getrandom::u64().unwrap_or_else(|_| u64::from(offset) ^ entropy());
        let pool = Pool::new(&shared.config.limits);
        let spares = Spares::new(&shared.config.limits);
        Rc::new(Self {
            shared,
            counters,
            pool,
            spares,
            scratch: Scratch::default(),
            live: Live::default(),
            logins: Logins::default(),
            lanes: RefCell::default(),
            random: RefCell::new(SmallRng::seed_from_u64(seed)),
            draining: Cell::new(false),
            offset,
        })
    }

    /// The next backend of a route, in turn.
    pub(super) fn next_backend<'a>(
        &self,
        entry: &'a Entry,
        exclude: &[InstanceId],
    ) -> Option<&'a Arc<Backend>> {
        self.lane(entry, |lane| choose(entry, &mut lane.cursor, exclude))
    }

    /// Whether a request that has come now gets a line in its app's log.
    pub(super) fn has_line(&self, entry: &Entry, now: Instant) -> bool {
        match self.lane(entry, |lane| lane.sample.next(now)) {
            Line::Written => true,
            Line::LeftOut => false,
            Line::After(left_out) => {
                if let Some(backend) = entry.backends.first() {
                    self.shared.access.write(|| {
                        let text = format!(
                            "{left_out} requests for {}{} have no line here, since they came \
                             faster than a log is for.",
                            entry.host, entry.path
                        );
                        AccessRecord::notice(backend.app, text)
                    });
                }
                true
            }
        }
    }

    fn lane<T>(&self, entry: &Entry, with: impl FnOnce(&mut Lane) -> T) -> T {
        let mut lanes = self.lanes.borrow_mut();
        if lanes.len() >= REMEMBERED_ROUTES {
            lanes.clear();
        }
        with(lanes.entry(entry.route).or_insert_with(|| Lane {
            cursor: Cursor::starting_at(self.offset),
            sample: Sample::new(Instant::now()),
        }))
    }

    /// Random bits.
    pub(super) fn random(&self) -> u64 {
        self.random.borrow_mut().next_u64()
    }

    /// Accepts and serves until told to drain, then ends when nothing is in flight.
    pub(super) async fn run(
        self: Rc<Self>,
        listeners: Vec<(TcpListener, bool)>,
        drain: watch::Receiver<bool>,
    ) {
        let sweep = tokio::task::spawn_local(Rc::clone(&self).sweep());
        let mut accepting = Vec::new();
        for (listener, tls) in listeners {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => {
                    let accept = Rc::clone(&self).accept(listener, tls, drain.clone());
                    accepting.push(tokio::task::spawn_local(accept));
                }
                Err(error) => tracing::error!(%error, "a gateway thread cannot use its socket"),
            }
        }
        for task in accepting {
            if let Err(error) = task.await {
                tracing::error!(%error, "a gateway thread has stopped accepting");
            }
        }
        self.live.none_left().await;
        sweep.abort();
    }

    async fn accept(
        self: Rc<Self>,
        listener: tokio::net::TcpListener,
        tls: bool,
        mut drain: watch::Receiver<bool>,
    ) {
        loop {
            let accepted = tokio::select! {
                // First, so that a flood of connections cannot put the end off.
                biased;
                _ = drain.wait_for(|draining| *draining) => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer, tls, &drain),
                Err(error) => {
                    tracing::warn!(%error, "a gateway thread cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        self.draining.set(true);
        // Closing the socket would reset connections that the kernel has accepted already;
        // those that come meanwhile are not waited for.
        for _ in 0..listen::BACKLOG {
            // Unconstrained, since tokio's budget for a task would look like an empty queue.
            match tokio::task::unconstrained(listener.accept()).now_or_never() {
                Some(Ok((stream, peer))) => self.take(stream, peer, tls, &drain),
                Some(Err(_)) | None => break,
            }
        }
    }

    fn take(
        self: &Rc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        tls: bool,
        drain: &watch::Receiver<bool>,
    ) {
        let Some(counted) = Counted::new(&self.shared) else {
            self.counters.refused();
            return;
        };
        self.counters.connection();
        let alive = self.live.one();
        let serve = connection::serve(Rc::clone(self), stream, peer, tls, drain.clone());
        tokio::task::spawn_local(async move {
            let _alive = alive;
            let _counted = counted;
            serve.await;
        });
    }

    /// Closes connections to instances that have not been used for long.
    async fn sweep(self: Rc<Self>) {
        let period = (self.shared.config.limits.upstream_idle / 2).max(Duration::from_millis(10));
        loop {
            tokio::time::sleep(period).await;
            self.pool.sweep();
            self.spares.sweep();
        }
    }
}

/// A connection in the count of all, until it is dropped.
pub(super) struct Counted(Arc<Shared>);

impl Counted {
    /// One more, unless there are as many as there may be.
    pub(super) fn new(shared: &Arc<Shared>) -> Option<Self> {
        let counted = Self(Arc::clone(shared));
        let before = shared.connections.fetch_add(1, Relaxed);
        (before < shared.config.limits.connections).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

/// Something that differs from run to run where the kernel has no randomness to give.
fn entropy() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0_u8)
}
