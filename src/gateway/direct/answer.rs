//! One request at one instance: sent, answered, and the answer passed on.

use std::{
    mem::MaybeUninit,
    rc::Rc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::{
    edit::{self, Added},
    relay::{Outbox, Piece, may_have_ended, poll_read},
    response::{self, End, Parsed},
    turn::Turn,
};
use crate::{
    gateway::{io::ClientIo, refusal::Refusal, service::Choice, worker::Worker},
    routing::Backend,
};

/// Most fields of an answer's head.
const FIELDS: usize = 256;
/// Most bytes of an answer's head.
const HEAD: usize = 256 * 1024;
/// Most answers that come before an answer.
const INTERIMS: u32 = 32;
/// Most of what a client sends ahead that is read before its turn comes.
const AHEAD: usize = 64 * 1024;
/// A piece of a body that is small enough to be copied behind a head.
const SMALL: usize = 4 * 1024;

const BROKEN: Refusal = Refusal::EndpointFailure("endpoint_failure (connection broken)");
const INVALID: Refusal = Refusal::EndpointFailure("endpoint_failure (invalid response)");
const UNASKED: Refusal = Refusal::EndpointFailure("endpoint_failure (unexpected upgrade)");

/// Why there was no answer, or not the whole of it.
#[derive(Debug)]
pub(super) enum Failed {
    /// The request was surely not processed, or may be sent twice.
    Again,
    /// The instance may have done what the request asks.
    Finally(Refusal),
    /// Nothing more can be said to the client.
    Gone,
}

/// What there is after the whole answer.
#[derive(Debug)]
pub(super) struct Stage {
    /// Whether the instance waits for another request on the connection.
    pub(super) keep_upstream: bool,
    /// Whether the client has nothing more to send of this request.
    pub(super) sent_all: bool,
    pub(super) stream: TcpStream,
}

/// One request at one instance.
pub(super) struct Asking<'a, S> {
    worker: &'a Rc<Worker>,
    client: &'a mut ClientIo<S>,
    /// What the client has sent ahead.
    ahead: &'a mut Vec<u8>,
    turn: &'a mut Turn,
    backend: &'a Backend,
    stream: Option<TcpStream>,
    /// Whether the connection was used before, so that the instance may just have closed it.
    used: bool,
    /// Bytes of the request's head that were sent.
    head_sent: usize,
    /// What of the body waits to be sent to the instance.
    upload: Outbox,
    /// Whether the instance takes no more.
    deaf: bool,
    /// What was read of a head whose end was not there.
    part: Vec<u8>,
    interims: u32,
    /// What waits to be sent to the client.
    reply: Outbox,
    answer: Option<Answer>,
}

/// An answer whose head was there.
struct Answer {
    end: End,
    keep: bool,
    done: bool,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Asking<'a, S> {
    pub(super) fn new(
        worker: &'a Rc<Worker>,
        client: &'a mut ClientIo<S>,
        ahead: &'a mut Vec<u8>,
        turn: &'a mut Turn,
        stream: TcpStream,
        used: bool,
        backend: &'a Backend,
    ) -> Self {
        Self {
            worker,
            client,
            ahead,
            turn,
            backend,
            stream: Some(stream),
            used,
            head_sent: 0,
            upload: Outbox::default(),
            deaf: false,
            part: Vec::new(),
            interims: 0,
            reply: Outbox::default(),
            answer: None,
        }
    }

    /// Whether the answer has begun.
    pub(super) const fn has_head(&self) -> bool {
        self.answer.is_some()
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Stage, Failed>> {
        let Some(mut stream) = self.stream.take() else {
            return Poll::Pending;
        };
        let worker = Rc::clone(self.worker);
        let polled = worker.scratch.with_read(|buffer| {
            if let Err(failed) = self.send(cx, &mut stream, buffer) {
                return Poll::Ready(Err(failed));
            }
            let received = self.receive(cx, &mut stream, buffer);
            if received.is_pending() && self.sent_all() {
                self.watch(cx, buffer)?;
            }
            received
        });
        match polled {
            Poll::Ready(Ok(keep)) => {
                let reply = std::mem::take(&mut self.reply);
                worker.scratch.keep(reply.into_buffer());
                worker.scratch.keep(std::mem::take(&mut self.turn.out));
                Poll::Ready(Ok(Stage {
                    keep_upstream: keep,
                    sent_all: self.sent_all(),
                    stream,
                }))
            }
            Poll::Ready(Err(failed)) => Poll::Ready(Err(failed)),
            Poll::Pending => {
                self.stream = Some(stream);
                Poll::Pending
            }
        }
    }

    fn sent_all(&self) -> bool {
        self.head_sent >= self.turn.out.len() && self.turn.left == 0 && self.upload.is_empty()
    }

    /// Sends what can be sent of the request. An instance that takes no more may still answer.
    fn send(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
        buffer: &mut [u8],
    ) -> Result<(), Failed> {
        use std::pin::Pin;
        while !self.deaf && self.head_sent < self.turn.out.len() {
            let rest = &self.turn.out[self.head_sent..];
            match Pin::new(&mut *stream).poll_write(cx, rest) {
                Poll::Ready(Ok(count @ 1..)) => self.head_sent += count,
                Poll::Ready(_) if self.head_sent == 0 => return Err(Failed::Again),
                Poll::Ready(_) => self.deaf = true,
                Poll::Pending => return Ok(()),
            }
        }
        while !self.deaf {
            match self.upload.poll_send(cx, stream) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    self.deaf = true;
                    break;
                }
                Poll::Pending => break,
            }
            if self.turn.left == 0 {
                break;
            }
            let room =
                usize::try_from(self.turn.left).map_or(buffer.len(), |it| it.min(buffer.len()));
            let count = if self.ahead.is_empty() {
                match poll_read(self.client, cx, &mut buffer[..room]) {
                    Poll::Ready(Ok(count @ 1..)) => count,
                    Poll::Ready(_) => return Err(Failed::Gone),
                    Poll::Pending => break,
                }
            } else {
                let count = room.min(self.ahead.len());
                buffer[..count].copy_from_slice(&self.ahead[..count]);
                self.ahead.drain(..count);
                count
            };
            self.turn.left -= count as u64;
            self.turn.exchange.received(count as u64);
            self.deaf = self.upload.send_with(cx, stream, &buffer[..count]).is_err();
        }
        Ok(())
    }

    /// Passes on what has come of the answer. Says whether the connection can be used again.
    fn receive(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
        buffer: &mut [u8],
    ) -> Poll<Result<bool, Failed>> {
        use std::pin::Pin;
        loop {
            match self.reply.poll_send(cx, self.client) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Failed::Gone)),
                Poll::Pending => return Poll::Pending,
            }
            if let Some(answer) = &self.answer
                && answer.done
            {
                return match Pin::new(&mut *self.client).poll_flush(cx) {
                    Poll::Ready(Ok(())) => Poll::Ready(Ok(answer.keep)),
                    Poll::Ready(Err(_)) => Poll::Ready(Err(Failed::Gone)),
                    Poll::Pending => Poll::Pending,
                };
            }
            let count = match poll_read(stream, cx, buffer) {
                Poll::Ready(Ok(count)) => count,
                Poll::Ready(Err(_)) => 0,
                Poll::Pending => {
                    return match Pin::new(&mut *self.client).poll_flush(cx) {
                        Poll::Ready(Err(_)) => Poll::Ready(Err(Failed::Gone)),
                        _ => Poll::Pending,
                    };
                }
            };
            let passed = match (&mut self.answer, count) {
                (None, 0) => Err(self.broken()),
                (Some(answer), 0) if matches!(answer.end, End::Close) => {
                    answer.done = true;
                    self.reply.bytes().extend_from_slice(b"0\r\n\r\n");
                    Ok(())
                }
                // Cut off: what the client has must not look whole.
                (Some(_), 0) => Err(Failed::Gone),
                (None, _) => self.head(cx, &buffer[..count]),
                (Some(_), _) => self.body(cx, &buffer[..count]),
            };
            if let Err(failed) = passed {
                return Poll::Ready(Err(failed));
            }
        }
    }

    /// What it means that the connection ended before an answer.
    fn broken(&self) -> Failed {
        if self.part.is_empty() && self.interims == 0 && self.used && self.turn.repeatable {
            Failed::Again
        } else {
            Failed::Finally(BROKEN)
        }
    }

    fn head(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Result<(), Failed> {
        if self.part.is_empty() {
            let used = self.heads(cx, bytes)?;
            if self.answer.is_none() {
                self.part.extend_from_slice(&bytes[used..]);
            }
        } else {
            let mut part = std::mem::take(&mut self.part);
            let before = part.len();
            part.extend_from_slice(bytes);
            if !may_have_ended(&part, before) && part.len() <= HEAD {
                self.part = part;
                return Ok(());
            }
            let used = self.heads(cx, &part)?;
            if self.answer.is_none() {
                part.drain(..used);
                self.part = part;
            }
        }
        if self.part.len() > HEAD {
            return Err(Failed::Finally(INVALID));
        }
        Ok(())
    }

    /// Takes heads until there is one of an answer; says how much it has used of `bytes`.
    fn heads(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Result<usize, Failed> {
        let mut at = 0;
        loop {
            let mut slots = [const { MaybeUninit::uninit() }; FIELDS];
            let head = match response::parse(&bytes[at..], &mut slots, self.turn.to_head) {
                Parsed::Partial => return Ok(at),
                Parsed::Invalid => return Err(Failed::Finally(INVALID)),
                Parsed::Answer(head) => head,
            };
            at += head.size;
            match head.status {
                101 => return Err(Failed::Finally(UNASKED)),
                100..=199 => {
                    self.interims += 1;
                    if self.interims > INTERIMS {
                        return Err(Failed::Finally(INVALID));
                    }
                    // Nobody has asked for a 100.
                    if head.status != 100 {
                        edit::interim(self.reply.bytes(), &head);
                    }
                }
                _ => {
                    self.begin(head);
                    self.body(cx, &bytes[at..])?;
                    return Ok(bytes.len());
                }
            }
        }
    }

    fn begin(&mut self, head: response::Head<'_, '_>) {
        let instance = self.backend.instance;
        let lost = matches!(self.turn.choice, Choice::Session(wanted) if wanted != instance);
        self.turn.close |= self.worker.draining.get();
        let added = Added {
            id: self.turn.id,
            date: &self.worker.scratch.date(),
            cookie: edit::binding(&head, instance, lost),
            close: self.turn.close,
        };
        if self.reply.is_empty() {
            self.reply = Outbox::with(self.worker.scratch.head());
        }
        edit::response(self.reply.bytes(), &head, &added);
        self.turn.exchange.answered(head.status);
        self.answer = Some(Answer {
            done: matches!(head.end, End::Length(0)),
            end: head.end,
            keep: head.keep,
        });
    }

    /// Passes a piece of the body on.
    fn body(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Result<(), Failed> {
        let Some(answer) = &mut self.answer else {
            return Ok(());
        };
        if answer.done {
            // What comes after the end is nobody's.
            answer.keep &= bytes.is_empty();
            return Ok(());
        }
        if bytes.is_empty() {
            return Ok(());
        }
        // A malformed body is cut off here, as far as it was well.
        let Ok(Piece { used, data, ended }) = answer.end.read(bytes) else {
            return Err(Failed::Gone);
        };
        answer.done = ended;
        answer.keep &= used == bytes.len();
        let is_raw = matches!(answer.end, End::Close);
        self.turn
            .exchange
            .sent(usize::try_from(data).unwrap_or(usize::MAX));
        let bytes = &bytes[..used];
        if is_raw {
            use std::io::Write as _;
            let reply = self.reply.bytes();
            let _ = write!(reply, "{used:x}\r\n");
            reply.extend_from_slice(bytes);
            reply.extend_from_slice(b"\r\n");
        } else if used <= SMALL && !self.reply.is_empty() {
            self.reply.bytes().extend_from_slice(bytes);
        } else {
            let sent = self.reply.send_with(cx, self.client, bytes);
            sent.map_err(|_| Failed::Gone)?;
        }
        Ok(())
    }

    /// Notices that a client leaves, and keeps what it sends ahead.
    fn watch(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Result<(), Failed> {
        while self.ahead.len() < AHEAD {
            match poll_read(self.client, cx, buffer) {
                Poll::Ready(Ok(count @ 1..)) => self.ahead.extend_from_slice(&buffer[..count]),
                Poll::Ready(_) => return Err(Failed::Gone),
                Poll::Pending => break,
            }
        }
        Ok(())
    }
}
