//! Datagrams and pings: a socket of the host for each pair of ends, as long as something is said.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use nix::libc;

use super::{
    host,
    packet::{self, Packet, Unreachable},
    world::{Way, World},
};

/// After so much silence a flow is over. RFC 4787 wants no less than two minutes, and what is
/// usual answers are far faster.
pub(super) const SILENCE: Duration = Duration::from_secs(120);

/// Datagrams that are read in one turn, so that no flow is in the way of the others.
const TURN: usize = 32;

/// Nothing longer comes in one datagram.
const LONGEST: usize = 65_535;

#[derive(Debug)]
pub(super) struct Datagrams {
    socket: OwnedFd,
    /// Who inside.
    inside: SocketAddr,
    /// Who they speak to, as they see it.
    outside: SocketAddr,
    /// The number of a ping, where these are pings.
    ping: Option<u16>,
    used: Instant,
}

impl Datagrams {
    pub(super) fn new(
        socket: OwnedFd,
        inside: SocketAddr,
        outside: SocketAddr,
        ping: Option<u16>,
        now: Instant,
    ) -> Self {
        Self {
            socket,
            inside,
            outside,
            ping,
            used: now,
        }
    }

    /// When it is over if nothing more is said.
    pub(super) fn ends(&self) -> Instant {
        self.used + SILENCE
    }

    /// Passes one on. More than the account allows is lost.
    pub(super) fn send(&mut self, world: &mut World, packet: &Packet<'_>) {
        self.used = world.now;
        let message;
        let bytes = match packet.body {
            packet::Body::Udp { data, .. } => data,
            packet::Body::Echo { sequence, data, .. } => {
                let [high, low] = sequence.to_be_bytes();
                let kind = match self.outside {
                    SocketAddr::V4(_) => packet::ECHO,
                    SocketAddr::V6(_) => packet::ECHO_V6,
                };
                // The kernel puts in the number and the checksum.
                let mut whole = vec![kind, 0, 0, 0, 0, 0, high, low];
                whole.extend_from_slice(data);
                message = whole;
                &message
            }
            _ => return,
        };
        if world.account.allows(Way::Out, world.now) == 0 {
            return;
        }
        match host::write(&self.socket, bytes) {
            Ok(sent) => world.account.count(Way::Out, sent, world.now),
            Err(error) if host::later(&error) => {}
            Err(error) => {
                if let Some(answer) = packet.unreachable(reason(&error)) {
                    world.device.write(&answer);
                }
            }
        }
    }

    /// Passes on what has come.
    pub(super) fn receive(&mut self, world: &mut World, buffer: &mut [u8]) {
        for _ in 0..TURN {
            match host::read(&self.socket, buffer) {
                Ok(read) => {
                    self.used = world.now;
                    if world.account.allows(Way::In, world.now) == 0 {
                        continue;
                    }
                    world.account.count(Way::In, read, world.now);
                    self.pass_on(world, &buffer[..read]);
                }
                Err(error) if host::later(&error) => return,
                // Nobody listened to something that was said before.
                Err(_) => self.refused(world),
            }
        }
    }

    fn pass_on(&self, world: &mut World, bytes: &[u8]) {
        let packet = match (self.ping, bytes) {
            (None, _) => packet::datagram(self.outside, self.inside, bytes),
            (Some(id), [_, _, _, _, _, _, high, low, data @ ..]) => packet::echo(
                self.outside.ip(),
                self.inside.ip(),
                id,
                u16::from_be_bytes([*high, *low]),
                data,
            ),
            _ => return,
        };
        world.device.write(&packet);
    }

    /// Tells the sandbox that nobody listens, by a datagram as it would have sent it.
    fn refused(&self, world: &mut World) {
        if self.ping.is_some() {
            return;
        }
        let sent = packet::datagram(self.inside, self.outside, &[]);
        if let Some(packet) = Packet::parse(&sent)
            && let Some(answer) = packet.unreachable(Unreachable::Port)
        {
            world.device.write(&answer);
        }
    }
}

/// Room for the longest datagram.
pub(super) fn buffer() -> Vec<u8> {
    vec![0; LONGEST]
}

/// What the sandbox is told of an error of the host.
pub(super) fn reason(error: &io::Error) -> Unreachable {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => Unreachable::Port,
        Some(libc::EACCES | libc::EPERM) => Unreachable::Prohibited,
        Some(libc::ENETUNREACH | libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT) => Unreachable::Network,
        Some(libc::EPROTONOSUPPORT | libc::ENOPROTOOPT) => Unreachable::Protocol,
        _ => Unreachable::Host,
    }
}

/// An address with the port that pings have.
pub(super) const fn without_port(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, 0)
}
