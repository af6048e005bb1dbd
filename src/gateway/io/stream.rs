//! A client's stream that notes what goes through it.

use std::{
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{ConnState, head_scan::HeadScan};

/// A client's stream that notes what goes through it.
#[derive(Debug)]
pub(in crate::gateway) struct ClientIo<S> {
    stream: S,
    /// Bytes that were read before it was known what they are.
    ahead: Vec<u8>,
    state: Arc<ConnState>,
    heads: Option<HeadScan>,
}

impl<S> ClientIo<S> {
    pub(in crate::gateway) const fn new(stream: S, state: Arc<ConnState>) -> Self {
        Self {
            stream,
            ahead: Vec::new(),
            state,
            heads: None,
        }
    }

    /// The stream from `ahead` on, which was read already. `heads` says whether to look for
    /// heads of HTTP/1 in it.
    pub(in crate::gateway) fn again(mut self, ahead: Vec<u8>, heads: bool) -> Self {
        self.ahead = ahead;
        self.heads = heads.then(HeadScan::default);
        self
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
        if !this.ahead.is_empty() {
            let count = this.ahead.len().min(buf.remaining());
            buf.put_slice(&this.ahead[..count]);
            this.ahead.drain(..count);
            if this.ahead.is_empty() {
                this.ahead = Vec::new();
            }
            this.note_read(&buf.filled()[before..]);
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.note_read(&buf.filled()[before..]);
        polled
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
