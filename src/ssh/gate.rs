//! How much may come in over one connection before it is used.
//!
//! The protocol's windows are opened again as soon as data has come, whether or not the program
//! that it is for has read it. So the connection itself is not read while too much waits. There
//! is one exception: where a program waits for the client to take its output, what tells that
//! the client has taken it stands behind the data, and is read on for.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that may wait: some windows.
const ENOUGH: usize = 1 << 20;
/// Bytes that may wait where output waits for the client.
const MOST: usize = 32 << 20;

/// What is known of one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Bytes that have come and were not used yet.
    waiting: usize,
    /// Outputs that wait for the client.
    blocked: usize,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl State {
    fn is_shut(&self) -> bool {
        self.waiting > ENOUGH && self.blocked == 0
    }

    fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes have come that are not used yet.
    pub(super) fn came(&self, bytes: usize) {
        self.state().waiting += bytes;
    }

    /// So many of them were used.
    pub(super) fn used(&self, bytes: usize) {
        let mut state = self.state();
        state.waiting = state.waiting.saturating_sub(bytes);
        state.wake_reader();
    }

    /// Output waits for the client, until what this returns is dropped.
    pub(super) fn block(&self) -> Blocked {
        let mut state = self.state();
        state.blocked += 1;
        state.wake_reader();
        Blocked(self.clone())
    }

    /// Ends the connection, whatever it is doing.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.wake_reader();
        if let Some(waker) = state.writer.take() {
            waker.wake();
        }
    }
}

/// See [`Gate::block`].
#[derive(Debug)]
pub(super) struct Blocked(Gate);

impl Drop for Blocked {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.blocked = state.blocked.saturating_sub(1);
    }
}

/// A stream behind a gate.
#[derive(Debug)]
pub(super) struct Gated<S> {
    pub(super) stream: S,
    pub(super) gate: Gate,
}

fn closed() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

impl<S: AsyncRead + Unpin> AsyncRead for Gated<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        {
            let mut state = self.gate.state();
            if state.closed {
                return Poll::Ready(Err(closed()));
            }
            if state.waiting > MOST {
                return Poll::Ready(Err(io::Error::other("more came than anybody reads")));
            }
            state.reader = Some(cx.waker().clone());
            if state.is_shut() {
                return Poll::Pending;
            }
        }
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gated<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        {
            let mut state = self.gate.state();
            if state.closed {
                return Poll::Ready(Err(closed()));
            }
            state.writer = Some(cx.waker().clone());
        }
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn gated() -> (tokio::io::DuplexStream, Gated<tokio::io::DuplexStream>) {
        let (outer, stream) = tokio::io::duplex(64);
        let gate = Gate::default();
        (outer, Gated { stream, gate })
    }

    #[tokio::test]
    async fn nothing_is_read_while_too_much_waits() {
        let (mut outer, mut inner) = gated();
        outer.write_all(b"ab").await.unwrap();
        let gate = inner.gate.clone();
        gate.came(ENOUGH + 1);
        let mut read = std::pin::pin!(inner.read_u8());
        assert!(futures_util::poll!(&mut read).is_pending());
        gate.used(1);
        assert_eq!(read.await.unwrap(), b'a');
    }

    #[tokio::test]
    async fn reading_goes_on_where_output_waits_but_not_without_end() {
        let (mut outer, mut inner) = gated();
        outer.write_all(b"ab").await.unwrap();
        let gate = inner.gate.clone();
        gate.came(ENOUGH + 1);
        let blocked = gate.block();
        assert_eq!(inner.read_u8().await.unwrap(), b'a');
        drop(blocked);
        let mut read = std::pin::pin!(inner.read_u8());
        assert!(futures_util::poll!(&mut read).is_pending());
        gate.came(MOST);
        assert!(read.await.is_err());
    }

    #[tokio::test]
    async fn a_closed_gate_ends_both_ways_at_once() {
        let (_outer, mut inner) = gated();
        let gate = inner.gate.clone();
        let mut read = std::pin::pin!(inner.read_u8());
        assert!(futures_util::poll!(&mut read).is_pending());
        gate.close();
        assert!(read.await.is_err());
        assert!(inner.write_u8(1).await.is_err());
    }
}
