//! Bytes on their way from one socket to another.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{chunked::Malformed, response::End};

/// Bytes that could not be sent at once.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    at: usize,
}

impl Outbox {
    /// One whose buffer is already there.
    pub(super) const fn with(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0 }
    }

    /// The buffer, for the next one.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// What is to be sent, to append to.
    pub(super) const fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Sends what there is.
    pub(super) fn poll_send<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let sent = ready!(Pin::new(&mut *to).poll_write(cx, &self.bytes[self.at..]))?;
            self.sent(sent)?;
        }
        self.bytes.clear();
        self.at = 0;
        Poll::Ready(Ok(()))
    }

    /// Sends what there is and `more` after it, as far as that goes now; keeps the rest.
    pub(super) fn send_with<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
        mut more: &[u8],
    ) -> io::Result<()> {
        while !self.is_empty() || !more.is_empty() {
            let first = io::IoSlice::new(&self.bytes[self.at..]);
            let slices = [first, io::IoSlice::new(more)];
            let polled = match (first.is_empty(), more.is_empty()) {
                (true, _) => Pin::new(&mut *to).poll_write(cx, more),
                (_, true) => Pin::new(&mut *to).poll_write(cx, &first),
                _ => Pin::new(&mut *to).poll_write_vectored(cx, &slices),
            };
            let Poll::Ready(sent) = polled? else {
                break;
            };
            let own = sent.min(self.bytes.len() - self.at);
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.at += own;
            more = &more[sent - own..];
        }
        if self.is_empty() {
            self.bytes.clear();
            self.at = 0;
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    fn sent(&mut self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.at += count;
        Ok(())
    }
}

/// What a piece of a body is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Bytes that belong to the body.
    pub(super) used: usize,
    /// Those of them that are data.
    pub(super) data: u64,
    /// Whether the body has ended.
    pub(super) ended: bool,
}

impl End {
    /// Looks at the next piece of the body.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Piece, Malformed> {
        match self {
            Self::Length(left) => {
                let used = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= used as u64;
                Ok(Piece {
                    used,
                    data: used as u64,
                    ended: *left == 0,
                })
            }
            Self::Chunks(chunks) => {
                let before = chunks.data;
                let used = chunks.read(bytes)?;
                Ok(Piece {
                    used,
                    data: chunks.data - before,
                    ended: chunks.is_done(),
                })
            }
            Self::Close => Ok(Piece {
                used: bytes.len(),
                data: bytes.len() as u64,
                ended: false,
            }),
        }
    }
}

/// Reads what is there, into the beginning of `buffer`.
pub(super) fn poll_read<R: AsyncRead + Unpin>(
    from: &mut R,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

/// Whether a head that had not ended in the first `before` bytes may have ended since: whoever
/// sends one byte at a time does not have all of them looked at again each time.
pub(super) fn may_have_ended(bytes: &[u8], before: usize) -> bool {
    let fresh = &bytes[before.saturating_sub(3).min(bytes.len())..];
    let ends = |at: usize| matches!(fresh[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]);
    let mut lines = (0..fresh.len()).filter(|&at| fresh[at] == b'\n');
    lines.any(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_head_is_seen_however_it_is_cut() {
        for head in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /\nHost: a\n\n"] {
            let (bytes, all) = (head.as_bytes(), head.len());
            for before in 0..all {
                assert!(may_have_ended(bytes, before), "{head:?} after {before}");
                for until in before..all {
                    assert!(!may_have_ended(&bytes[..until], before), "{head:?} {until}");
                }
            }
        }
    }
}
