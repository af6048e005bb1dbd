//! Bodies of requests: nothing, bytes, or files that are streamed with their progress told.

use std::{
    error::Error,
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use tokio::{
    fs::File,
    io::{AsyncRead, ReadBuf},
};

/// What a request carries.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// A body without content.
#[must_use]
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body of bytes that are at hand.
#[must_use]
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// One stretch of an upload.
#[derive(Debug)]
pub enum Part {
    /// Bytes that are at hand.
    Bytes(Bytes),
    /// A file, from where it stands, and how many bytes of it.
    File(File, u64),
}

/// How much is read of a file at once.
const CHUNK: usize = 64 * 1024;

type Progress = Box<dyn FnMut(u64, u64) + Send>;

/// A streamed body of known length that tells how far it is.
pub struct Upload {
    parts: std::collections::VecDeque<Part>,
    remaining: u64,
    total: u64,
    sent: Arc<AtomicU64>,
    progress: Progress,
    buffer: Box<[u8]>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("remaining", &self.remaining)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl Upload {
    /// An upload of `parts` in turn; `progress` is told bytes sent and bytes in all.
    #[must_use]
    pub fn new(parts: Vec<Part>, progress: impl FnMut(u64, u64) + Send + 'static) -> Self {
        let total = parts
            .iter()
            .map(|part| match part {
                Part::Bytes(bytes) => bytes.len() as u64,
                Part::File(_, length) => *length,
            })
            .sum();
        Self {
            parts: parts.into(),
            remaining: total,
            total,
            sent: Arc::default(),
            progress: Box::new(progress),
            buffer: vec![0; CHUNK].into(),
        }
    }

    /// A counter of the bytes that have been handed to the connection.
    pub(super) fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }

    fn account(&mut self, bytes: u64) {
        self.remaining -= bytes;
        let sent = self.total - self.remaining;
        self.sent.store(sent, Ordering::Relaxed);
        (self.progress)(sent, self.total);
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        loop {
            match this.parts.front_mut() {
                None => return Poll::Ready(None),
                Some(Part::Bytes(bytes)) => {
                    let bytes = std::mem::take(bytes);
                    this.parts.pop_front();
                    if bytes.is_empty() {
                        continue;
                    }
                    this.account(bytes.len() as u64);
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Part::File(_, 0)) => {
                    this.parts.pop_front();
                }
                Some(Part::File(file, length)) => {
                    let most = usize::try_from(*length).map_or(CHUNK, |left| left.min(CHUNK));
                    let mut buffer = ReadBuf::new(&mut this.buffer[..most]);
                    ready!(Pin::new(file).poll_read(context, &mut buffer))?;
                    let read = Bytes::copy_from_slice(buffer.filled());
                    if read.is_empty() {
                        let short = io::Error::new(
                            io::ErrorKind::UnexpectedEof,
                            "the file became shorter while it was sent",
                        );
                        return Poll::Ready(Some(Err(short.into())));
                    }
                    *length -= read.len() as u64;
                    this.account(read.len() as u64);
                    return Poll::Ready(Some(Ok(Frame::data(read))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
