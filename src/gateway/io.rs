//! A client's connection, watched: what it waits for and since when.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Limits;

/// What the watchdog of a connection and its requests know of each other.
///
/// Only one thread touches it; it is atomic because upgraded connections have to be `Send`.
#[derive(Debug)]
pub(super) struct ConnState {
    pub(super) peer: SocketAddr,
    pub(super) tls: bool,
    epoch: Instant,
    /// Requests in flight.
    active: AtomicU32,
    /// Requests that have ended.
    ended: AtomicU32,
    /// When the last request ended, or the connection began.
    idle_since: AtomicU64,
    /// When the first byte of a head came whose end has not come yet; 0 for none.
    head_since: AtomicU64,
    /// Since when the client takes nothing; 0 where it does.
    blocked_since: AtomicU64,
    saw_length: AtomicBool,
}

/// What a connection's time says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// All is well; look again after this time.
    Wait(Duration),
    /// It has waited long enough for its next request.
    Idle,
    /// It is too slow to be kept.
    Slow,
}

impl ConnState {
    pub(super) fn new(peer: SocketAddr, tls: bool) -> Self {
        Self {
            peer,
            tls,
            epoch: Instant::now(),
            active: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            saw_length: AtomicBool::new(false),
        }
    }

    /// Milliseconds since the connection began, never 0.
    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .saturating_add(1)
    }

    pub(super) fn request_began(&self) {
        self.active.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
    }

    pub(super) fn request_ended(&self) {
        self.idle_since.store(self.now(), Relaxed);
        self.ended.fetch_add(1, Relaxed);
        self.active.fetch_sub(1, Relaxed);
    }

    /// Whether the head that was read last had a Content-Length line. hyper hides that from a
    /// request with a Transfer-Encoding. The second call says no.
    pub(super) fn take_saw_length(&self) -> bool {
        self.saw_length.swap(false, Relaxed)
    }

    /// Whether the connection keeps within its times.
    pub(super) fn patience(&self, limits: &Limits, multiplexed: bool) -> Patience {
        let past = |since: &AtomicU64| {
            Duration::from_millis(self.now().saturating_sub(since.load(Relaxed)))
        };
        let blocked = self.blocked_since.load(Relaxed) != 0;
        if blocked && past(&self.blocked_since) >= limits.stall {
            return Patience::Slow;
        }
        let mut wait = if blocked {
            limits.stall - past(&self.blocked_since)
        } else {
            Duration::MAX
        };
        if self.active.load(Relaxed) == 0 {
            // Frames of HTTP/2 come without a request too, so their first byte tells nothing.
            let (since, limit, over) = if !multiplexed && self.head_since.load(Relaxed) != 0 {
                (&self.head_since, limits.header_time, Patience::Slow)
            } else {
                (&self.idle_since, limits.idle, Patience::Idle)
            };
            match limit.checked_sub(past(since)) {
                Some(rest) if !rest.is_zero() => wait = wait.min(rest),
                _ => return over,
            }
        }
        // A head may begin right after this look, and has to be noticed in its time.
        Patience::Wait(wait.min(limits.look()).max(Duration::from_millis(1)))
    }
}

/// A client's stream that notes what goes through it.
#[derive(Debug)]
pub(super) struct ClientIo<S> {
    stream: S,
    /// Bytes that were read before it was known what they are.
    prefix: Prefix,
    state: std::sync::Arc<ConnState>,
    heads: Option<HeadScan>,
}

/// Up to three bytes read ahead.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Prefix {
    pub(super) bytes: [u8; 3],
    pub(super) length: usize,
}

impl<S> ClientIo<S> {
    /// `heads` says whether to look for heads of HTTP/1 in what is read.
    pub(super) fn new(
        stream: S,
        prefix: Prefix,
        state: std::sync::Arc<ConnState>,
        heads: bool,
    ) -> Self {
        Self {
            stream,
            prefix,
            state,
            heads: heads.then(HeadScan::default),
        }
    }

    fn note_read(&mut self, bytes: &[u8]) {
        let state = &self.state;
        if bytes.is_empty() || state.active.load(Relaxed) != 0 {
            return;
        }
        if state.head_since.load(Relaxed) == 0 {
            state.head_since.store(state.now(), Relaxed);
        }
        if let Some(heads) = &mut self.heads
            && heads.feed(bytes, state.ended.load(Relaxed))
        {
            state.saw_length.store(true, Relaxed);
        }
    }

    fn note_write(&self, blocked: bool) {
        let since = &self.state.blocked_since;
        match (blocked, since.load(Relaxed)) {
            (true, 0) => since.store(self.state.now(), Relaxed),
            (true, _) | (false, 0) => {}
            (false, _) => since.store(0, Relaxed),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientIo<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let ahead = this.prefix.length.min(buf.remaining());
        if ahead > 0 {
            buf.put_slice(&this.prefix.bytes[..ahead]);
            this.prefix.bytes.copy_within(ahead.., 0);
            this.prefix.length -= ahead;
        }
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.note_read(&buf.filled()[before..]);
        if ahead > 0 {
            Poll::Ready(Ok(()))
        } else {
            polled
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientIo<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.note_write(polled.is_pending());
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.note_write(polled.is_pending());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        this.note_write(polled.is_pending());
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// Looks for a Content-Length line in heads as they arrive, in pieces of any size.
#[derive(Debug, Default)]
struct HeadScan {
    /// Requests that had ended when this head began.
    after: u32,
    line: [u8; CONTENT_LENGTH.len()],
    length: usize,
    began: bool,
    done: bool,
}

const CONTENT_LENGTH: &[u8; 15] = b"content-length:";

impl HeadScan {
    /// Whether a Content-Length line ended in `bytes`.
    fn feed(&mut self, bytes: &[u8], ended: u32) -> bool {
        if ended != self.after {
            *self = Self {
                after: ended,
                ..Self::default()
            };
        }
        let mut found = false;
        let mut rest = bytes;
        while !self.done && !rest.is_empty() {
            let end = rest.iter().position(|&byte| byte == b'\n');
            let (part, next) = rest.split_at(end.unwrap_or(rest.len()));
            let room = (self.line.len() - self.length).min(part.len());
            self.line[self.length..][..room].copy_from_slice(&part[..room]);
            self.length += room;
            if end.is_none() {
                break;
            }
            found |= self.line_ended();
            rest = &next[1..];
        }
        found
    }

    fn line_ended(&mut self) -> bool {
        let line = &self.line[..self.length];
        let blank = matches!(line, b"" | b"\r");
        let found = line.eq_ignore_ascii_case(CONTENT_LENGTH);
        // Blank lines before a request are skipped (RFC 9112, 2.2).
        self.done = blank && self.began;
        self.began |= !blank;
        self.length = 0;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str, piece: usize) -> bool {
        let mut scan = HeadScan::default();
        text.as_bytes()
            .chunks(piece)
            .fold(false, |found, piece| scan.feed(piece, 0) | found)
    }

    #[test]
    fn a_length_is_seen_in_the_head_only_however_it_is_cut() {
        let check = |text: &str, expected: bool| {
            for piece in 1..=text.len() {
                assert_eq!(scan(text, piece), expected, "{text:?} in pieces of {piece}");
            }
        };
        check(
            "POST / HTTP/1.1\r\nContent-LENGTH: 3\r\nHost: a\r\n\r\nabc",
            true,
        );
        check(
            "\r\nPOST / HTTP/1.1\nHost: a\ncontent-length:3\n\nabc",
            true,
        );
        check(
            "POST / HTTP/1.1\r\nHost: a\r\n\r\n9\r\nContent-Length: 5\r\n",
            false,
        );
        check("POST / HTTP/1.1\r\nX-Content-Length: 3\r\n\r\n", false);
    }

    #[test]
    fn slow_heads_and_idle_connections_are_told_apart() {
        let state = ConnState::new("127.0.0.1:1".parse().unwrap(), false);
        let limits = Limits {
            header_time: Duration::ZERO,
            ..Limits::default()
        };
        assert!(matches!(state.patience(&limits, false), Patience::Wait(_)));
        state.head_since.store(1, Relaxed);
        assert_eq!(state.patience(&limits, false), Patience::Slow);
        assert!(matches!(state.patience(&limits, true), Patience::Wait(_)));
        state.request_began();
        assert!(matches!(state.patience(&limits, false), Patience::Wait(_)));
        state.request_ended();
        let limits = Limits {
            idle: Duration::ZERO,
            ..Limits::default()
        };
        assert_eq!(state.patience(&limits, false), Patience::Idle);
        state.blocked_since.store(1, Relaxed);
        let limits = Limits {
            stall: Duration::ZERO,
            ..Limits::default()
        };
        assert_eq!(state.patience(&limits, false), Patience::Slow);
    }
}
