//! One question to the host's name servers, until it is answered or nobody does.

use std::{
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use nix::sys::epoll::EpollFlags;

use super::{
    super::{
        host,
        world::{Id, World},
    },
    Asker,
    message::{is_answer, is_truncated},
};
use crate::sandbox::sys;

/// How long one server has.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often all servers are asked.
const ROUNDS: usize = 2;

/// The longest answer.
const LONGEST: usize = 65_535;

#[derive(Debug)]
pub(super) struct Upstream {
    id: Id,
    pub(super) asker: Asker,
    /// The question's number as it came.
    pub(super) came_as: u16,
    /// The number that we gave it.
    sent_as: u16,
    /// The question with our number.
    bytes: Vec<u8>,
    /// What of it says what is asked.
    asked: std::ops::Range<usize>,
    stream: Option<Stream>,
    socket: Option<OwnedFd>,
    tries: usize,
    until: Instant,
}

/// What has gone and come of a question over TCP.
#[derive(Debug, Default)]
struct Stream {
    sent: usize,
    came: Vec<u8>,
}

/// What has become of a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Later,
    Answered(Vec<u8>),
    /// Nobody answered.
    Failed,
}

impl Upstream {
    pub(super) fn new(
        id: Id,
        asker: Asker,
        question: &[u8],
        asked: std::ops::Range<usize>,
        stream: bool,
        now: Instant,
    ) -> io::Result<Self> {
        let number = sys::random()?;
        let (mut bytes, mut came_as) = (question.to_vec(), [0; 2]);
        let head = bytes.get_mut(..2).ok_or(io::ErrorKind::InvalidInput)?;
        came_as.copy_from_slice(head);
        head.copy_from_slice(&number);
        Ok(Self {
            id,
            asker,
            came_as: u16::from_be_bytes(came_as),
            sent_as: u16::from_be_bytes(number),
            bytes,
            asked,
            stream: stream.then(Stream::default),
            socket: None,
            tries: 0,
            until: now,
        })
    }

    /// The question with its own number.
    pub(super) fn as_it_came(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        if let Some(head) = bytes.get_mut(..2) {
            head.copy_from_slice(&self.came_as.to_be_bytes());
        }
        bytes
    }

    /// Asks the next server.
    pub(super) fn ask(&mut self, world: &mut World, servers: &[SocketAddr]) -> Outcome {
        while self.tries < servers.len() * ROUNDS {
            let server = servers[self.tries % servers.len()];
            self.tries += 1;
            // The kernel gives each question a port of its own.
            if self.begin(world, server).is_ok() {
                self.until = world.now + PATIENCE;
                world.alarm(self.until, self.id);
                return Outcome::Later;
            }
        }
        Outcome::Failed
    }

    fn begin(&mut self, world: &mut World, server: SocketAddr) -> io::Result<()> {
        self.socket = None;
        let (socket, events) = if let Some(stream) = &mut self.stream {
            *stream = Stream::default();
            let events = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
            (host::stream(server)?, events)
        } else {
            let socket = host::datagrams(server)?;
            host::write(&socket, &self.bytes)?;
            (socket, EpollFlags::EPOLLIN)
        };
        world.watch(&socket, self.id, events)?;
        self.socket = Some(socket);
        Ok(())
    }

    /// Its time may be over.
    pub(super) fn alarmed(&mut self, world: &mut World, servers: &[SocketAddr]) -> Outcome {
        if world.now < self.until {
            return Outcome::Later;
        }
        self.ask(world, servers)
    }

    /// Something happened on its socket.
    pub(super) fn woken(&mut self, world: &mut World, servers: &[SocketAddr]) -> Outcome {
        let answer = match (&self.socket, &mut self.stream) {
            (Some(socket), None) => {
                let mut buffer = vec![0; LONGEST];
                host::read(socket, &mut buffer).map(|read| {
                    buffer.truncate(read);
                    Some(buffer)
                })
            }
            (Some(socket), Some(stream)) => stream.go_on(socket, &self.bytes),
            (None, _) => return Outcome::Later,
        };
        match answer {
            Ok(Some(answer))
                if is_answer(&answer, self.sent_as, &self.bytes[self.asked.clone()]) =>
            {
                // A program is told that there is more and asks again as it likes; we ask again
                // ourselves for what we want to know.
                let ours = matches!(self.asker, Asker::Granted { .. });
                if ours && self.stream.is_none() && is_truncated(&answer) {
                    self.stream = Some(Stream::default());
                    self.tries = 0;
                    return self.ask(world, servers);
                }
                Outcome::Answered(answer)
            }
            // Not from whom we asked, or half of it.
            Ok(Some(_)) if self.stream.is_none() => Outcome::Later,
            Ok(None) => Outcome::Later,
            Err(error) if host::later(&error) => Outcome::Later,
            Ok(Some(_)) | Err(_) => self.ask(world, servers),
        }
    }
}

impl Stream {
    fn go_on(&mut self, socket: &OwnedFd, question: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let length = u16::try_from(question.len()).map_err(io::Error::other)?;
        let mut whole = length.to_be_bytes().to_vec();
        whole.extend_from_slice(question);
        while self.sent < whole.len() {
            match host::write(socket, &whole[self.sent..]) {
                Ok(sent) => self.sent += sent,
                // Not yet connected looks so, too.
                Err(error) if host::later(&error) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let mut buffer = vec![0; LONGEST + 2];
        loop {
            match host::read(socket, &mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.came.extend_from_slice(&buffer[..read]),
                Err(error) if host::later(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
            if let [high, low, rest @ ..] = &self.came[..]
                && let Some(answer) = rest.get(..usize::from(u16::from_be_bytes([*high, *low])))
            {
                return Ok(Some(answer.to_vec()));
            }
            if self.came.len() > LONGEST + 2 {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
}
