//! A response's body on its way to a client.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::{Body, BodyError};
use crate::gateway::{exchange::Exchange, pool::Lease, site::FileBody};

/// A response's body on its way to a client.
#[derive(Debug)]
pub(in crate::gateway) struct Outgoing {
    source: Source,
    /// Ends with the body; its drop writes the access line.
    exchange: Option<Box<Exchange>>,
}

/// Where a response's body comes from.
#[derive(Debug)]
pub(in crate::gateway) enum Source {
    /// All there; maybe nothing.
    Full(Bytes),
    /// From a backend, whose connection is free again at the end.
    Upstream(Download),
    /// From the platform itself.
    Api(Body),
    /// From a file.
    File(FileBody),
}

/// A body from a backend.
#[derive(Debug)]
pub(in crate::gateway) struct Download {
    body: Incoming,
    lease: Option<Lease>,
    ended: bool,
}

impl Download {
    pub(in crate::gateway) fn new(body: Incoming, lease: Option<Lease>) -> Self {
        Self {
            body,
            lease,
            ended: false,
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take()
            && (self.ended || self.body.is_end_stream())
        {
            lease.give_back();
        }
    }
}

impl Outgoing {
    pub(in crate::gateway) const fn new(source: Source) -> Self {
        Self {
            source,
            exchange: None,
        }
    }

    pub(in crate::gateway) const fn empty() -> Self {
        Self::new(Source::Full(Bytes::new()))
    }

    /// The bytes of a body that is all there; none of another.
    pub(in crate::gateway) fn into_full(self) -> Bytes {
        match self.source {
            Source::Full(bytes) => bytes,
            Source::Upstream(_) | Source::Api(_) | Source::File(_) => Bytes::new(),
        }
    }

    /// Binds the exchange to the body, so that it ends when the body has been sent or given up.
    pub(in crate::gateway) fn watched_by(mut self, exchange: Box<Exchange>) -> Self {
        self.exchange = Some(exchange);
        self
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = match &mut this.source {
            Source::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                (!bytes.is_empty()).then(|| Ok(Frame::data(bytes)))
            }
            Source::Upstream(download) => {
                let frame = ready!(Pin::new(&mut download.body).poll_frame(cx));
                download.ended |= match &frame {
                    None => true,
                    Some(Ok(frame)) => frame.is_trailers(),
                    Some(Err(_)) => false,
                };
                frame.map(|frame| frame.map_err(Into::into))
            }
            Source::Api(body) => ready!(Pin::new(body).poll_frame(cx)),
            Source::File(file) => {
                ready!(file.poll_chunk(cx)).map(|chunk| chunk.map(Frame::data).map_err(Into::into))
            }
        };
        if let (Some(exchange), Some(Ok(frame))) = (&mut this.exchange, &frame)
            && let Some(data) = frame.data_ref()
        {
            exchange.sent(data.len());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Full(bytes) => bytes.is_empty(),
            Source::Upstream(download) => download.ended || download.body.is_end_stream(),
            Source::Api(body) => body.is_end_stream(),
            Source::File(file) => file.remaining() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Upstream(download) => download.body.size_hint(),
            Source::Api(body) => body.size_hint(),
            Source::File(file) => SizeHint::with_exact(file.remaining()),
        }
    }
}
