//! A client's connection as long as what comes on it is ordinary.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::HeaderValue;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, Sleep, timeout},
};
use uuid::Uuid;

use super::{
    answer::{Asking, Failed, Stage},
    relay::{may_have_ended, poll_read},
    turn::{Taken, Turn, take},
};
use crate::{
    gateway::{
        headers::REQUEST_ID,
        io::{ClientIo, ConnState},
        pool::Key,
        proxy::dial,
        refusal::Refusal,
        worker::Worker,
    },
    routing::{Backend, Target},
};

/// How often a request is tried, as in gorouter.
const ATTEMPTS: usize = 3;

/// A request that must not be sent twice is sent only on connections used this short a time
/// ago, which a server is most unlikely to be closing at this moment.
const SURELY_OPEN: Duration = Duration::from_secs(1);

/// How long the rest of a body is read that nobody wants: a client that still sends reports a
/// lost connection instead of the answer.
const LINGER: Duration = Duration::from_secs(4);

const REFUSED: Refusal = Refusal::EndpointFailure("endpoint_failure (connection failed)");
const BROKEN: Refusal = Refusal::EndpointFailure("endpoint_failure (connection broken)");

/// A client's connection as long as what comes on it is ordinary: a future of its end, or of
/// its first unusual message.
pub(in crate::gateway) struct Connection<S> {
    run: Pin<Box<dyn Future<Output = Option<Unusual<S>>>>>,
    finish: Rc<Cell<bool>>,
}

/// A connection whose next message is for the long way.
pub(in crate::gateway) struct Unusual<S> {
    pub(in crate::gateway) io: ClientIo<S>,
    /// What was read of it.
    pub(in crate::gateway) bytes: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Connection<S> {
    pub(in crate::gateway) fn new(
        worker: Rc<Worker>,
        state: Arc<ConnState>,
        io: ClientIo<S>,
    ) -> Self {
        let finish = Rc::new(Cell::new(false));
        let served = Served {
            worker,
            state,
            io,
            ahead: Vec::new(),
            finish: Rc::clone(&finish),
            late: None,
        };
        Self {
            run: Box::pin(served.run()),
            finish,
        }
    }

    /// Has it end as soon as it is idle. It notices when it is polled next.
    pub(in crate::gateway) fn finish(&self) {
        self.finish.set(true);
    }
}

impl<S> Future for Connection<S> {
    type Output = Option<Unusual<S>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.run.as_mut().poll(cx)
    }
}

struct Served<S> {
    worker: Rc<Worker>,
    state: Arc<ConnState>,
    io: ClientIo<S>,
    /// What was read and belongs to the next request.
    ahead: Vec<u8>,
    finish: Rc<Cell<bool>>,
    /// Fires when an answer may be late; set forward only when it does.
    late: Option<Pin<Box<Sleep>>>,
}

/// What comes next on a connection.
enum Next {
    Turn(Box<Turn>),
    Unusual,
    Ended,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Served<S> {
    async fn run(mut self) -> Option<Unusual<S>> {
        loop {
            match self.next().await {
                Next::Turn(turn) => {
                    if !self.serve(turn).await {
                        return None;
                    }
                }
                Next::Unusual => {
                    return Some(Unusual {
                        io: self.io,
                        bytes: self.ahead,
                    });
                }
                Next::Ended => return None,
            }
        }
    }

    async fn next(&mut self) -> Next {
        if !self.ahead.is_empty() {
            self.state.head_began();
            let ahead = std::mem::take(&mut self.ahead);
            if let Some(next) = self.look(&ahead) {
                return next;
            }
        }
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        let worker = Rc::clone(&self.worker);
        worker.scratch.with_read(|buffer| {
            loop {
                let count = match poll_read(&mut self.io, cx, buffer) {
                    Poll::Ready(Ok(count @ 1..)) => count,
                    Poll::Ready(_) => return Poll::Ready(Next::Ended),
                    Poll::Pending if self.finish.get() && self.ahead.is_empty() => {
                        return Poll::Ready(Next::Ended);
                    }
                    Poll::Pending => return Poll::Pending,
                };
                let before = self.ahead.len();
                let next = if before == 0 {
                    self.look(&buffer[..count])
                } else {
                    self.ahead.extend_from_slice(&buffer[..count]);
                    if !may_have_ended(&self.ahead, before) && !self.is_too_long(&self.ahead) {
                        continue;
                    }
                    let ahead = std::mem::take(&mut self.ahead);
                    self.look(&ahead)
                };
                if let Some(next) = next {
                    return Poll::Ready(next);
                }
            }
        })
    }

    /// Looks at what was read, and keeps what is not used.
    fn look(&mut self, bytes: &[u8]) -> Option<Next> {
        let (next, used) = match take(&self.worker, &self.state, bytes) {
            Taken::Turn(turn, used) => (Some(Next::Turn(turn)), used),
            Taken::Partial if !self.is_too_long(bytes) => (None, 0),
            Taken::Partial | Taken::Unusual => (Some(Next::Unusual), 0),
        };
        self.ahead = bytes[used..].to_vec();
        next
    }

    /// Whether a head whose end is not there is longer than heads may be.
    fn is_too_long(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.worker.shared.config.limits.header_bytes
    }

    /// Gets an answer to a request and passes it on. Says whether there may be another request.
    async fn serve(&mut self, mut turn: Box<Turn>) -> bool {
        let mut backend = Arc::clone(&turn.first);
        let mut failed = Vec::new();
        let mut fresh = false;
        let mut refusal = BROKEN;
        for attempt in 1..=ATTEMPTS {
            if attempt > 1 {
                self.worker.counters.retry();
                let next = turn.choice.next(&self.worker, &turn.entry, &failed);
                backend = next.unwrap_or(backend);
            }
            turn.exchange.dispatched_to(&backend, &turn.entry);
            let Some((stream, key, used)) = self.reach(&turn, &backend, fresh).await else {
                refusal = REFUSED;
                failed.push(backend.instance);
                continue;
            };
            turn.address(&backend);
            match self.ask(&mut turn, stream, key, used, &backend).await {
                Ok(more) => return more,
                Err(Failed::Gone) => return false,
                Err(Failed::Finally(reason)) => {
                    refusal = reason;
                    break;
                }
                Err(Failed::Again) => {
                    refusal = BROKEN;
                    fresh = true;
                }
            }
        }
        self.refuse(turn, refusal).await
    }

    /// A connection to the instance, its key, and whether it was used before.
    async fn reach(
        &self,
        turn: &Turn,
        backend: &Backend,
        fresh: bool,
    ) -> Option<(TcpStream, Key, bool)> {
        let Target::Sandbox { dir, port, .. } = &backend.target else {
            return None;
        };
        let key = Key {
            instance: backend.instance,
            port: *port,
        };
        let oldest = if turn.repeatable {
            Duration::MAX
        } else {
            SURELY_OPEN
        };
        if !fresh && let Some(stream) = self.worker.spares.take(key, oldest) {
            return Some((stream, key, true));
        }
        let stream = dial(&self.worker, key, dir).await?;
        Some((stream, key, false))
    }

    async fn ask(
        &mut self,
        turn: &mut Turn,
        stream: TcpStream,
        key: Key,
        used: bool,
        backend: &Backend,
    ) -> Result<bool, Failed> {
        let limit = self.worker.shared.config.limits.response;
        let until = Instant::now() + limit;
        let late = &mut self.late;
        let mut asking = Asking::new(
            &self.worker,
            &mut self.io,
            &mut self.ahead,
            turn,
            stream,
            used,
            backend,
        );
        let answered = poll_fn(|cx| {
            if let Poll::Ready(stage) = asking.poll(cx) {
                return Poll::Ready(stage);
            }
            if asking.has_head() || !is_late(late, until, cx) {
                return Poll::Pending;
            }
            Poll::Ready(Err(Failed::Finally(Refusal::EndpointTimeout)))
        });
        let Stage {
            keep_upstream,
            sent_all,
            stream,
        } = answered.await?;
        if keep_upstream && sent_all {
            self.worker.spares.give(key, stream);
        }
        if sent_all && !turn.close {
            return Ok(true);
        }
        self.end(!sent_all).await;
        Ok(false)
    }

    /// Answers instead of an app.
    async fn refuse(&mut self, mut turn: Box<Turn>, refusal: Refusal) -> bool {
        let (method, accepts, host) = turn.asked();
        let mut response = refusal.response(&method, &accepts, &host);
        turn.exchange.refused(refusal.code());
        turn.exchange.answered(response.status().as_u16());
        let mut id = Uuid::encode_buffer();
        if let Ok(id) = HeaderValue::from_str(turn.id.hyphenated().encode_lower(&mut id)) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        let rest = turn.left > 0;
        let close = turn.close || rest;
        let (parts, body) = response.into_parts();
        let body = body.into_full();
        let mut out = self.worker.scratch.head();
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(parts.status.as_str().as_bytes());
        out.push(b' ');
        let reason = parts.status.canonical_reason().unwrap_or_default();
        out.extend_from_slice(reason.as_bytes());
        let date = self.worker.scratch.date();
        let own = [("date", &date[..]), ("connection", b"close")];
        let own = &own[..if close { 2 } else { 1 }];
        let fields = parts.headers.iter();
        let fields = fields.map(|(name, value)| (name.as_str(), value.as_bytes()));
        for (name, value) in fields.chain(own.iter().copied()) {
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
        }
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(&body);
        turn.exchange.sent(body.len());
        let sent = self.io.write_all(&out).await.is_ok() && self.io.flush().await.is_ok();
        self.worker.scratch.keep(out);
        self.worker.scratch.keep(std::mem::take(&mut turn.out));
        drop(turn);
        if !sent {
            return false;
        }
        if close {
            self.end(rest).await;
        }
        !close
    }

    /// Ends the connection, where a body is still coming after a while.
    async fn end(&mut self, rest: bool) {
        if self.io.shutdown().await.is_ok() && rest {
            let worker = Rc::clone(&self.worker);
            let read = poll_fn(|cx| {
                worker.scratch.with_read(|buffer| {
                    while let 1.. = ready!(poll_read(&mut self.io, cx, buffer)).unwrap_or(0) {}
                    Poll::Ready(())
                })
            });
            // Whether the body ended or the time did, the answer is the same.
            let _ = timeout(LINGER, read).await;
        }
    }
}

/// Whether it is later than `until`. One timer serves all requests of a connection: it is set
/// forward when it fires, not with every request.
fn is_late(late: &mut Option<Pin<Box<Sleep>>>, until: Instant, cx: &mut Context<'_>) -> bool {
    let timer = late.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
    while timer.as_mut().poll(cx).is_ready() {
        if Instant::now() >= until {
            return true;
        }
        timer.as_mut().reset(until);
    }
    false
}
