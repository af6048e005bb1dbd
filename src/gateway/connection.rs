//! One connection of a client, from its first byte to its end.

use std::{
    future::Future, io, net::SocketAddr, pin::Pin, rc::Rc, sync::Arc, task::Poll, time::Duration,
};

use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::timeout,
};

use super::{
    body::Outgoing,
    io::{ClientIo, ConnState, Patience, Prefix},
    service,
    worker::Worker,
};

/// The start of HTTP/2's preface by which it is told from HTTP/1; no method begins so.
const PREFACE: &[u8; 3] = b"PRI";

/// Room for what is read and not yet taken, and for what is to be written, on HTTP/1.
const HTTP1_BUFFER: usize = 128 * 1024;

/// How long a connection that is new at a drain may take to send its request.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

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
    mut drain: watch::Receiver<bool>,
) {
    // Not fatal: packets merely wait to be filled.
    let _ = stream.set_nodelay(true);
    let state = Arc::new(ConnState::new(peer, tls));
    let limits = &worker.shared.config.limits;
    if tls {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&worker.shared.tls));
        match timeout(limits.header_time, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let multiplexed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                speak(worker, stream, Prefix::default(), state, multiplexed, drain).await;
            }
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
        }
    } else {
        let mut stream = stream;
        let first = {
            let mut first = std::pin::pin!(read_prefix(&mut stream));
            tokio::select! {
                biased;
                first = timeout(limits.idle, &mut first) => first,
                // The connection was accepted, so its request may be on the way.
                _ = drain.wait_for(|draining| *draining) => timeout(DRAIN_GRACE, first).await,
            }
        };
        let Ok(Ok(prefix)) = first else { return };
        let multiplexed = prefix.bytes == *PREFACE;
        speak(worker, stream, prefix, state, multiplexed, drain).await;
    }
}

/// Reads as much as tells HTTP/2 from HTTP/1.
async fn read_prefix(stream: &mut TcpStream) -> io::Result<Prefix> {
    let mut prefix = Prefix::default();
    while prefix.length < PREFACE.len() && prefix.bytes[..prefix.length] == PREFACE[..prefix.length]
    {
        match stream.read(&mut prefix.bytes[prefix.length..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => prefix.length += count,
        }
    }
    Ok(prefix)
}

async fn speak<S>(
    worker: Rc<Worker>,
    stream: S,
    prefix: Prefix,
    state: Arc<ConnState>,
    multiplexed: bool,
    drain: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(ClientIo::new(
        stream,
        prefix,
        Arc::clone(&state),
        !multiplexed,
    ));
    let shared = Arc::clone(&worker.shared);
    let limits = &shared.config.limits;
    let service = {
        let state = Arc::clone(&state);
        service_fn(move |request| service::handle(Rc::clone(&worker), Arc::clone(&state), request))
    };
    let keeper = Keeper {
        state,
        limits: limits.clone(),
        multiplexed,
    };
    if multiplexed {
        let connection = http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(STREAM_BUFFER)
            .serve_connection(io, service);
        keeper.keep(connection, drain).await;
    } else {
        let connection = http1::Builder::new()
            // The keeper's own watch also covers idle times and slow readers.
            .header_read_timeout(None)
            .max_headers(limits.header_count)
            .max_header_size(limits.header_bytes)
            .max_buf_size(HTTP1_BUFFER.max(limits.header_bytes))
            .serve_connection(io, service)
            .with_upgrades();
        keeper.keep(connection, drain).await;
    }
}

/// A connection that can be asked to end after the requests that it has.
trait Graceful: Future<Output = hyper::Result<()>> {
    fn finish(self: Pin<&mut Self>);
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
    async fn keep<C: Graceful>(&self, connection: C, mut drain: watch::Receiver<bool>) {
        let mut connection = std::pin::pin!(connection);
        let mut watch = std::pin::pin!(tokio::time::sleep(self.limits.look()));
        let mut draining = std::pin::pin!(drain.wait_for(|draining| *draining));
        let mut finishing = false;
        std::future::poll_fn(|cx| {
            if !finishing && draining.as_mut().poll(cx).is_ready() {
                finishing = true;
                connection.as_mut().finish();
            }
            if let Poll::Ready(outcome) = connection.as_mut().poll(cx) {
                if let Err(error) = outcome {
                    tracing::trace!(peer = %self.state.peer, %error, "a connection broke");
                }
                return Poll::Ready(());
            }
            while watch.as_mut().poll(cx).is_ready() {
                let wait = match self.state.patience(&self.limits, self.multiplexed) {
                    Patience::Wait(wait) => wait,
                    Patience::Idle if self.multiplexed && !finishing => {
                        // A GOAWAY first; the next look closes.
                        finishing = true;
                        connection.as_mut().finish();
                        cx.waker().wake_by_ref();
                        Duration::from_secs(1)
                    }
                    Patience::Idle | Patience::Slow => return Poll::Ready(()),
                };
                watch.as_mut().reset(tokio::time::Instant::now() + wait);
            }
            Poll::Pending
        })
        .await;
    }
}
