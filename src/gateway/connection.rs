//! One connection of a client, from its first byte to its end.

use std::{
    future::Future, net::SocketAddr, pin::Pin, rc::Rc, sync::Arc, task::Poll, time::Duration,
};

use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::{Instant, timeout},
};

use super::{
    body::Outgoing,
    direct::{self, Unusual},
    io::{ClientIo, ConnState, Patience},
    service,
    worker::Worker,
};

/// The start of HTTP/2's preface by which it is told from HTTP/1; no method begins so.
const PREFACE: &[u8; 3] = b"PRI";

/// Room for what is read and not yet taken, and for what is to be written, on HTTP/1.
const HTTP1_BUFFER: usize = 128 * 1024;

/// How long a connection that is new at a drain may take to send its request.
const DRAIN_GRACE: Duration = Duration::from_secs(2);

/// Bytes of one HTTP/2 response that wait for a client which does not read.
const STREAM_BUFFER: usize = 64 * 1024;

/// Window of one HTTP/2 stream: what a client may send ahead of a slow backend.
const STREAM_WINDOW: u32 = 256 * 1024;

/// Window of an HTTP/2 connection over all its streams.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Runs tasks of HTTP/2 connections on the thread that they are on.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor
where
    F::Output: 'static,
{
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// Serves the connection until either side ends it, or until it is drained.
pub(super) async fn serve(
    worker: Rc<Worker>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: bool,
    drain: watch::Receiver<bool>,
) {
    let state = Arc::new(ConnState::new(peer, tls));
    if tls {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&worker.shared.tls));
        let limit = worker.shared.config.limits.header_time;
        match timeout(limit, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let multiplexed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let io = ClientIo::new(stream, Arc::clone(&state));
                if multiplexed {
                    speak(worker, io, state, true, drain).await;
                } else {
                    begin(worker, io, state, drain).await;
                }
            }
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
        }
    } else {
        let io = ClientIo::new(stream, Arc::clone(&state));
        begin(worker, io, state, drain).await;
    }
}

/// Serves what is ordinary the short way, and from its first unusual message on the connection
/// the long way.
async fn begin<S>(
    worker: Rc<Worker>,
    io: ClientIo<S>,
    state: Arc<ConnState>,
    drain: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let keeper = Keeper::new(&worker, &state, false);
    let direct = direct::Connection::new(Rc::clone(&worker), Arc::clone(&state), io);
    let Some(Some(Unusual { io, bytes })) = keeper.keep(direct, drain.clone()).await else {
        return;
    };
    // Over TLS it is agreed on before (RFC 9113, 3.2).
    let multiplexed = !state.tls && bytes.starts_with(PREFACE);
    let io = io.again(bytes, !multiplexed);
    // Apart, so that connections which don't need it have no room for it.
    Box::pin(speak(worker, io, state, multiplexed, drain)).await;
}

async fn speak<S>(
    worker: Rc<Worker>,
    io: ClientIo<S>,
    state: Arc<ConnState>,
    multiplexed: bool,
    drain: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(io);
    let shared = Arc::clone(&worker.shared);
    let limits = &shared.config.limits;
    let keeper = Keeper::new(&worker, &state, multiplexed);
    let peer = state.peer;
    let service =
        service_fn(move |request| service::handle(Rc::clone(&worker), Arc::clone(&state), request));
    if multiplexed {
        let connection = http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(STREAM_BUFFER)
            .serve_connection(io, service);
        note(peer, keeper.keep(connection, drain).await);
    } else {
        let connection = http1::Builder::new()
            // The keeper's own watch also covers idle times and slow readers.
            .header_read_timeout(None)
            .max_headers(limits.header_count)
            .max_header_size(limits.header_bytes)
            .max_buf_size(HTTP1_BUFFER.max(limits.header_bytes))
            .serve_connection(io, service)
            .with_upgrades();
        note(peer, keeper.keep(connection, drain).await);
    }
}

fn note(peer: SocketAddr, outcome: Option<hyper::Result<()>>) {
    if let Some(Err(error)) = outcome {
        tracing::trace!(%peer, %error, "a connection broke");
    }
}

/// A connection that can be asked to end after the requests that it has.
trait Graceful: Future {
    fn finish(self: Pin<&mut Self>);
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Graceful for direct::Connection<S> {
    fn finish(self: Pin<&mut Self>) {
        Self::finish(&self);
    }
}

impl<I, S> Graceful for http1::UpgradeableConnection<I, S>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S: hyper::service::HttpService<Incoming, ResBody = Outgoing>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S> Graceful for http2::Connection<I, S, LocalExecutor>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = Outgoing>,
    S::Future: 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Ends a connection that is idle, slow, or to be drained.
struct Keeper {
    state: Arc<ConnState>,
    limits: super::Limits,
    multiplexed: bool,
}

impl Keeper {
    fn new(worker: &Worker, state: &Arc<ConnState>, multiplexed: bool) -> Self {
        Self {
            state: Arc::clone(state),
            limits: worker.shared.config.limits.clone(),
            multiplexed,
        }
    }

    /// How the connection ends; none where it is closed from here.
    async fn keep<C: Graceful>(
        &self,
        connection: C,
        mut drain: watch::Receiver<bool>,
    ) -> Option<C::Output> {
        let mut connection = std::pin::pin!(connection);
        let mut watch = std::pin::pin!(tokio::time::sleep(self.limits.look()));
        let mut drain = std::pin::pin!(drain.wait_for(|draining| *draining));
        let (mut draining, mut finishing) = (false, false);
        std::future::poll_fn(|cx| {
            loop {
                // First of all, so that a request that has arrived is one in flight.
                if let Poll::Ready(outcome) = connection.as_mut().poll(cx) {
                    return Poll::Ready(Some(outcome));
                }
                if !draining && drain.as_mut().poll(cx).is_ready() {
                    draining = true;
                    watch.as_mut().reset(Instant::now() + DRAIN_GRACE);
                }
                let late = watch.as_mut().poll(cx).is_ready();
                // A new connection has the time to send its first request; hyper would close
                // it at once.
                let mut finish = draining && (late || self.state.had_request());
                if late {
                    let wait = match self.state.patience(&self.limits, self.multiplexed) {
                        Patience::Wait(wait) => wait,
                        Patience::Idle if self.multiplexed && !finishing => {
                            // A GOAWAY first; the next look closes.
                            finish = true;
                            DRAIN_GRACE
                        }
                        Patience::Idle | Patience::Slow => return Poll::Ready(None),
                    };
                    watch.as_mut().reset(Instant::now() + wait);
                }
                if finish && !finishing {
                    finishing = true;
                    connection.as_mut().finish();
                } else if !late {
                    return Poll::Pending;
                }
            }
        })
        .await
    }
}
