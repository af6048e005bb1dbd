//! Opens connections inside for whoever holds `connect.sock`, and passes the sockets out; takes
//! requests for visits, and hands them on.
//!
//! All of it in init's one loop, without ever blocking: a peer that says nothing, garbage, or
//! does not read its answer costs one slot until it is closed.

use std::{
    io::{self, IoSlice, Read},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    time::{Duration, Instant},
};

use nix::{
    libc,
    poll::{PollFd, PollFlags},
    sys::socket::{
        AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, SockaddrStorage, connect,
        getsockopt, sendmsg, socket, sockopt::SocketError,
    },
};

use crate::sandbox::{
    Visit,
    protocol::{Answer, Request, Transport, VISIT},
};

/// Peers at once, of two descriptors each, well within the usual 1,024; beyond it the one that
/// has been idle longest makes room.
const PEERS: usize = 256;

/// A peer that is silent for so long, or whose connection takes so long, is closed.
const IDLE: Duration = Duration::from_secs(60);

pub(super) struct Dialer {
    listener: UnixListener,
    peers: Vec<Peer>,
}

struct Peer {
    stream: UnixStream,
    since: Instant,
    buffer: [u8; Request::SIZE],
    filled: usize,
    /// A visit as far as it has been read, and its length.
    visit: Option<(Vec<u8>, usize)>,
    /// A connection under way, and where to go when it fails.
    pending: Option<(OwnedFd, Option<SocketAddr>)>,
}

impl Dialer {
    pub(super) fn new(listener: UnixListener) -> Self {
        Self {
            listener,
            peers: Vec::new(),
        }
    }

    /// Adds what to wait for: the listener, then one descriptor for each peer.
    pub(super) fn watch<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        fds.push(PollFd::new(self.listener.as_fd(), PollFlags::POLLIN));
        for peer in &self.peers {
            fds.push(match &peer.pending {
                Some((socket, _)) => PollFd::new(socket.as_fd(), PollFlags::POLLOUT),
                None => PollFd::new(peer.stream.as_fd(), PollFlags::POLLIN),
            });
        }
    }

    /// When a peer has been silent for too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.peers.iter().map(|peer| peer.since + IDLE).min()
    }

    /// Goes on with what is ready, in the order of [`Dialer::watch`]. Returns what visits were
    /// asked for, each with the connection that it was asked for on.
    pub(super) fn serve(&mut self, ready: &[PollFlags]) -> Vec<(UnixStream, Visit)> {
        let now = Instant::now();
        let mut visits = Vec::new();
        for (index, mut peer) in std::mem::take(&mut self.peers).into_iter().enumerate() {
            let stays = match ready.get(index + 1) {
                Some(flags) if !flags.is_empty() => {
                    peer.since = now;
                    peer.step()
                }
                _ => peer.since + IDLE > now,
            };
            self.keep(peer, stays, &mut visits);
        }
        if ready.first().is_some_and(|flags| !flags.is_empty()) {
            while let Ok((stream, _)) = self.listener.accept() {
                if stream.set_nonblocking(true).is_err() {
                    continue;
                }
                if self.peers.len() >= PEERS {
                    let oldest = self
                        .peers
                        .iter()
                        .enumerate()
                        .min_by_key(|(_, peer)| peer.since);
                    if let Some((oldest, _)) = oldest {
                        // In order, since many may have come at the same time.
                        self.peers.remove(oldest);
                    }
                }
                let buffer = [0; Request::SIZE];
                let mut peer = Peer {
                    stream,
                    since: now,
                    buffer,
                    filled: 0,
                    visit: None,
                    pending: None,
                };
                // Most have written by now.
                let stays = peer.step();
                self.keep(peer, stays, &mut visits);
            }
            if self.peers.is_empty() {
                self.peers.shrink_to_fit();
            }
        }
        visits
    }

    /// Keeps a peer that stays, unless it has asked for a visit.
    fn keep(&mut self, peer: Peer, stays: bool, visits: &mut Vec<(UnixStream, Visit)>) {
        if !stays {
            return;
        }
        match &peer.visit {
            Some((body, length)) if body.len() == *length => {
                match serde_json::from_slice(body) {
                    Ok(visit) => visits.push((peer.stream, visit)),
                    // Of a later version.
                    Err(_) => drop(peer.answer(libc::EOPNOTSUPP, None)),
                }
            }
            _ => self.peers.push(peer),
        }
    }
}

impl Peer {
    /// Goes on as far as possible; false where the peer is done with.
    fn step(&mut self) -> bool {
        loop {
            if let Some((socket, next)) = self.pending.take() {
                let answered = match getsockopt(&socket, SocketError) {
                    Ok(0) => self.answer(0, Some(&socket)),
                    Ok(error) => match next {
                        Some(next) => self.connect(next, None, error),
                        None => self.answer(error, None),
                    },
                    Err(error) => self.answer(error as i32, None),
                };
                if !answered {
                    return false;
                }
                if self.pending.is_some() {
                    return true;
                }
            }
            if let Some((body, length)) = &mut self.visit {
                let mut part = [0; 4096];
                let most = part.len().min(*length - body.len());
                if most == 0 {
                    return true;
                }
                match self.stream.read(&mut part[..most]) {
                    Ok(0) => return false,
                    Ok(read) => body.extend_from_slice(&part[..read]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return false,
                }
                continue;
            }
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return false,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return false,
            }
            if self.filled == Request::SIZE {
                self.filled = 0;
                if let [VISIT, 0, low, high] = self.buffer {
                    let length = usize::from(u16::from_le_bytes([low, high]));
                    self.visit = Some((Vec::new(), length));
                    continue;
                }
                let Some(Request { port, transport }) = Request::from_bytes(self.buffer) else {
                    return false;
                };
                if transport == Transport::Udp {
                    // Whether somebody listens shows with the first datagram.
                    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                    let answered = match begin(to, SockType::Datagram) {
                        Ok((socket, _)) => self.answer(0, Some(&socket)),
                        Err(error) => self.answer(error, None),
                    };
                    if !answered {
                        return false;
                    }
                    continue;
                }
                let (first, second) = (
                    SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                    SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
                );
                if !self.connect(first, Some(second), 0) {
                    return false;
                }
                if self.pending.is_some() {
                    return true;
                }
            }
        }
    }

    /// Begins to connect; false where the peer is done with. `before` is the error of an
    /// earlier address, which tells more than that there is no IPv6.
    fn connect(&mut self, to: SocketAddr, next: Option<SocketAddr>, before: i32) -> bool {
        match begin(to, SockType::Stream) {
            Ok((socket, true)) => self.answer(0, Some(&socket)),
            Ok((socket, false)) => {
                self.pending = Some((socket, next));
                true
            }
            Err(error) => match next {
                Some(next) => self.connect(next, None, error),
                None => self.answer(if before == 0 { error } else { before }, None),
            },
        }
    }

    fn answer(&self, error: i32, socket: Option<&OwnedFd>) -> bool {
        answer(&self.stream, error, socket)
    }
}

/// Tells a peer how it went, with what it asked for; false where it does not listen.
pub(super) fn answer(stream: &UnixStream, error: i32, passed: Option<&OwnedFd>) -> bool {
    let bytes = Answer(error).to_bytes();
    let fds = passed.map(|fd| [fd.as_raw_fd()]);
    let passed: Vec<ControlMessage<'_>> = fds
        .iter()
        .map(|fds| ControlMessage::ScmRights(fds))
        .collect();
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let parts = [IoSlice::new(&bytes)];
    sendmsg::<()>(stream.as_raw_fd(), &parts, &passed, flags, None) == Ok(Answer::SIZE)
}

/// A socket that is connected, or (false) on its way.
fn begin(to: SocketAddr, kind: SockType) -> Result<(OwnedFd, bool), i32> {
    let family = if to.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(family, kind, flags, None).map_err(|error| error as i32)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) => Ok((socket, true)),
        Err(error) if error as i32 == libc::EINPROGRESS => Ok((socket, false)),
        Err(error) => Err(error as i32),
    }
}
