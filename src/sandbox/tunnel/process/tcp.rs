//! A TCP connection: the sandbox's kernel at one end, a socket of the host at the other, and a
//! TCP implementation in between that speaks to the first.
//!
//! Each has an interface of its own with one socket in it, so that what one costs does not depend
//! on how many there are. The host's end is connected before the sandbox's SYN is answered: what
//! cannot be reached looks so inside, too. Nothing is kept beyond two buffers of fixed size, since
//! a buffer that is full closes the window of whoever fills it.

use std::{io, os::fd::OwnedFd, time::Instant};

use nix::sys::epoll::EpollFlags;
use smoltcp::{
    iface::{Config, Interface, SocketHandle, SocketSet},
    socket::tcp::{Socket, SocketBuffer, State},
    wire::{HardwareAddress, IpCidr, IpEndpoint},
};

use super::{
    super::device::MTU,
    host,
    world::{Id, Way, World},
};
use crate::sandbox::sys;

/// Bytes of one buffer, by how many connections there are: two of them for each connection, and
/// memory only where there was something in them.
const BUFFERS: [(usize, usize); 3] = [(128, 512 << 10), (1024, 128 << 10), (usize::MAX, 32 << 10)];

/// A segment is at most this part of a buffer, so that there is always one on its way.
const SEGMENTS: usize = 4;

/// What the connection leads to.
#[derive(Debug)]
pub(super) enum End {
    Host(Host),
    /// The platform's own answers about names.
    Names(Names),
}

/// A socket of the host, with what is known of it.
#[derive(Debug)]
pub(super) struct Host {
    socket: OwnedFd,
    readable: bool,
    writable: bool,
    /// It says no more after what is there.
    ending: bool,
    /// All that it said has been read.
    ended: bool,
    /// It has been told that no more is to come.
    finished: bool,
}

/// Questions that came, and answers that go.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) questions: Vec<u8>,
    pub(super) answers: Vec<u8>,
    /// Asked and not yet answered.
    pub(super) open: usize,
}

/// More than the longest question with its length before it is not kept.
const LONGEST_QUESTIONS: usize = 2 * (2 + 512);

pub(super) struct Connection {
    id: Id,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    mtu: usize,
    pub(super) end: End,
    /// Our FIN is on its way, or was.
    closed: bool,
    due: Option<Instant>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// Whether a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Going {
    On,
    Over,
}

impl End {
    /// A socket that is connected.
    pub(super) const fn host(socket: OwnedFd) -> Self {
        Self::Host(Host {
            socket,
            readable: true,
            writable: true,
            ending: false,
            ended: false,
            finished: false,
        })
    }
}

/// Events of a socket of the host that matter; each is told once.
pub(super) fn events() -> EpollFlags {
    EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET
}

impl Connection {
    /// The connection that `syn` begins; `others` is how many there are.
    pub(super) fn new(
        world: &mut World,
        id: Id,
        to: std::net::SocketAddr,
        syn: &[u8],
        end: End,
        others: usize,
    ) -> io::Result<Self> {
        let size = BUFFERS
            .iter()
            .find(|(most, _)| others < *most)
            .map_or(BUFFERS[0].1, |(_, size)| *size);
        let mtu = (size / SEGMENTS).min(usize::from(MTU));
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = u64::from_ne_bytes(sys::random()?);
        let clock = world.clock();
        let mut interface = Interface::new(config, &mut world.device.port(mtu, None), clock);
        // Whoever is meant is us, and everybody is on the same network.
        interface.update_ip_addrs(|addresses| {
            let _ = addresses.push(IpCidr::new(to.ip().into(), 0));
        });
        let buffer = || SocketBuffer::new(vec![0; size]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_ack_delay(None);
        socket.set_nagle_enabled(false);
        socket
            .listen(IpEndpoint::new(to.ip().into(), to.port()))
            .map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        let mut connection = Self {
            id,
            interface,
            sockets,
            handle,
            mtu,
            end,
            closed: false,
            due: None,
        };
        connection.take(world, syn);
        Ok(connection)
    }

    fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut::<Socket<'static>>(self.handle)
    }

    /// A packet of the sandbox; [`Connection::step`] is to follow.
    pub(super) fn take(&mut self, world: &mut World, packet: &[u8]) {
        let clock = world.clock();
        let mut port = world.device.port(self.mtu, Some(packet));
        self.interface
            .poll_ingress_single(clock, &mut port, &mut self.sockets);
    }

    /// Something happened on the host's socket; [`Connection::step`] is to follow.
    pub(super) fn wake(&mut self, events: EpollFlags) {
        let End::Host(host) = &mut self.end else {
            return;
        };
        let over = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        host.ending |= events.intersects(over);
        host.readable |= events.contains(EpollFlags::EPOLLIN) || host.ending;
        host.writable |= events.contains(EpollFlags::EPOLLOUT) || host.ending;
    }

    /// Ends the connection at once, and lets both ends know.
    pub(super) fn abort(&mut self, world: &mut World) {
        self.socket().abort();
        self.send(world);
        if let End::Host(host) = &self.end {
            host::reset(&host.socket);
        }
    }

    /// Moves what can be moved, and sends what there is to send.
    pub(super) fn step(&mut self, world: &mut World) -> Going {
        if self.exchange(world).is_err() {
            self.abort(world);
            return Going::Over;
        }
        self.send(world);
        match self.socket().state() {
            State::Closed => {
                if let End::Host(host) = &self.end
                    && !(host.ended && host.finished)
                {
                    // The sandbox has broken it off.
                    host::reset(&host.socket);
                }
                Going::Over
            }
            // Nothing is lost between the two, so nothing that is late has to be waited for.
            State::TimeWait => Going::Over,
            _ => {
                self.set_alarm(world);
                Going::On
            }
        }
    }

    fn send(&mut self, world: &mut World) {
        let clock = world.clock();
        let mut port = world.device.port(self.mtu, None);
        while self
            .interface
            .poll_egress(clock, &mut port, &mut self.sockets)
            != smoltcp::iface::PollResult::None
        {}
    }

    fn set_alarm(&mut self, world: &mut World) {
        let at = self.interface.poll_at(world.clock(), &self.sockets);
        let at = at.map(|at| world.instant(at));
        if let Some(at) = at
            && self.due.is_none_or(|due| at < due || due <= world.now)
        {
            world.alarm(at, self.id);
            self.due = Some(at);
        }
    }

    fn exchange(&mut self, world: &mut World) -> io::Result<()> {
        let socket = self.sockets.get_mut::<Socket<'static>>(self.handle);
        match &mut self.end {
            End::Host(host) => {
                host.write(world, self.id, socket)?;
                host.read(world, self.id, socket)?;
                if host.ended && !self.closed {
                    socket.close();
                    self.closed = true;
                }
            }
            End::Names(names) => {
                names.exchange(socket);
                let done = received_all(socket) && names.open == 0 && names.answers.is_empty();
                if done && !self.closed {
                    socket.close();
                    self.closed = true;
                }
            }
        }
        Ok(())
    }
}

/// Whether the sandbox has said that it has said all, and all of it was taken.
fn received_all(socket: &Socket<'_>) -> bool {
    let state = socket.state();
    let finished = matches!(
        state,
        State::CloseWait | State::LastAck | State::Closing | State::TimeWait
    );
    finished && socket.recv_queue() == 0
}

impl Host {
    fn write(&mut self, world: &mut World, id: Id, socket: &mut Socket<'_>) -> io::Result<()> {
        while self.writable && socket.can_recv() {
            let allowed = world.account.allows(Way::Out, world.now);
            if allowed == 0 {
                world.wait_for_account(id);
                return Ok(());
            }
            let written = socket.recv(|data| {
                let data = &data[..data.len().min(allowed)];
                match host::write(&self.socket, data) {
                    Ok(written) => (written, Ok(written)),
                    Err(error) => (0, Err(error)),
                }
            });
            match written.unwrap_or(Ok(0)) {
                Ok(written) => world.account.count(Way::Out, written, world.now),
                Err(error) if host::later(&error) => self.writable = false,
                Err(error) => return Err(error),
            }
        }
        if !self.finished && received_all(socket) {
            host::finish(&self.socket);
            self.finished = true;
        }
        Ok(())
    }

    fn read(&mut self, world: &mut World, id: Id, socket: &mut Socket<'_>) -> io::Result<()> {
        while self.readable && !self.ended && socket.can_send() {
            let allowed = world.account.allows(Way::In, world.now);
            if allowed == 0 {
                world.wait_for_account(id);
                return Ok(());
            }
            let mut asked = 0;
            let read = socket.send(|room| {
                asked = room.len().min(allowed);
                match host::read(&self.socket, &mut room[..asked]) {
                    Ok(read) => (read, Ok(read)),
                    Err(error) => (0, Err(error)),
                }
            });
            match read.unwrap_or(Ok(0)) {
                Ok(0) if asked > 0 => self.ended = true,
                Ok(read) => {
                    world.account.count(Way::In, read, world.now);
                    // Less than there was room for is all there is (epoll(7)), unless an end that
                    // will not be told again comes after it.
                    self.readable = read == asked || self.ending;
                }
                Err(error) if host::later(&error) => self.readable = false,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Names {
    fn exchange(&mut self, socket: &mut Socket<'_>) {
        while socket.can_recv() && self.questions.len() < LONGEST_QUESTIONS {
            let room = LONGEST_QUESTIONS - self.questions.len();
            let taken = socket.recv(|data| {
                let data = &data[..data.len().min(room)];
                self.questions.extend_from_slice(data);
                (data.len(), ())
            });
            if taken.is_err() {
                return;
            }
        }
        if !self.answers.is_empty()
            && let Ok(sent) = socket.send_slice(&self.answers)
        {
            self.answers.drain(..sent);
        }
    }

    /// The next question that is there as a whole.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let [high, low, rest @ ..] = &self.questions[..] else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let question = rest.get(..length)?.to_vec();
        self.questions.drain(..2 + length);
        self.open += 1;
        Some(question)
    }

    /// Adds an answer.
    pub(super) fn answer(&mut self, bytes: &[u8]) {
        self.open = self.open.saturating_sub(1);
        if let Ok(length) = u16::try_from(bytes.len()) {
            self.answers.extend_from_slice(&length.to_be_bytes());
            self.answers.extend_from_slice(bytes);
        }
    }
}
