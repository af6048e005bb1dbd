//! A request's body that comes back, as far as it was not read.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::{sync::oneshot, time::timeout};

use super::BodyError;

/// How long the rest of a body is read that nobody wants: some gigabytes from near, and not so
/// long that a hostile client could keep much busy.
const LINGER: Duration = Duration::from_secs(4);

/// A request's body in the hands of who answers it.
#[derive(Debug)]
pub(in crate::gateway) struct Lent {
    body: Option<Incoming>,
    back: Option<oneshot::Sender<Incoming>>,
    /// Whether the client sends by itself, or began to since it was asked.
    sends: bool,
}

/// What of a body is still to come once there is an answer.
#[derive(Debug)]
pub(in crate::gateway) struct Rest(oneshot::Receiver<Incoming>);

impl Lent {
    /// `asks_first` is whether the client waits for a word before it sends (RFC 9110, 10.1.1).
    pub(in crate::gateway) fn new(body: Incoming, asks_first: bool) -> (Self, Rest) {
        let (back, rest) = oneshot::channel();
        let lent = Self {
            body: Some(body),
            back: Some(back),
            sends: !asks_first,
        };
        (lent, Rest(rest))
    }
}

impl Rest {
    /// Reads on for a moment. Clients that hear an answer, or lose the connection or the
    /// stream, while they still send report that instead of the answer; the stock command line
    /// and curl are among them.
    pub(in crate::gateway) async fn linger(mut self) {
        let Ok(mut body) = self.0.try_recv() else {
            return;
        };
        let read = async { while let Some(Ok(_)) = body.frame().await {} };
        // Whether the body ended or the time did, the answer is the same.
        let _ = timeout(LINGER, read).await;
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        this.sends = true;
        match &mut this.body {
            Some(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or(SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.sends
            && let (Some(body), Some(back)) = (self.body.take(), self.back.take())
            && !body.is_end_stream()
        {
            // Where the client is gone nobody wants it back.
            let _ = back.send(body);
        }
    }
}
