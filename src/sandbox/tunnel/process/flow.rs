//! One conversation of the sandbox with somewhere, and how it stands.

use std::{
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
};

use super::{
    super::policy::{By, Destination, Protocol},
    datagram::{Datagrams, without_port},
    packet::{Body, ECHO, ECHO_V6, Packet},
    tcp::Connection,
};

/// Datagrams that are kept while nobody knows yet whether they may go.
pub(super) const KEPT: usize = 4;

/// What tells conversations apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) kind: Kind,
    /// Who inside.
    pub(super) inside: SocketAddr,
    /// Who they speak to.
    pub(super) outside: SocketAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Tcp,
    Udp,
    /// Pings, by the number that their program has given them.
    Echo(u16),
}

#[derive(Debug)]
pub(super) struct Flow {
    pub(super) key: Key,
    /// What opened it; none while nobody knows, and for the platform's own answers.
    pub(super) by: Option<By>,
    pub(super) stage: Stage,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// Names are looked up, or another app is dialled. What was sent is kept.
    Waiting(Vec<Vec<u8>>),
    /// The host connects.
    Connecting {
        socket: OwnedFd,
        /// Where to go if that fails.
        next: Option<SocketAddr>,
        syn: Vec<u8>,
    },
    Tcp(Box<Connection>),
    Datagrams(Datagrams),
}

impl Key {
    /// The conversation that a packet belongs to.
    pub(super) fn of(packet: &Packet<'_>) -> Option<Self> {
        let (from, to) = (packet.from, packet.to);
        let with = |kind, inside: u16, outside: u16| Self {
            kind,
            inside: SocketAddr::new(from, inside),
            outside: SocketAddr::new(to, outside),
        };
        match packet.body {
            Body::Tcp { from, to, .. } => Some(with(Kind::Tcp, from, to)),
            Body::Udp { from, to, .. } => Some(with(Kind::Udp, from, to)),
            Body::Echo { id, .. } => Some(Self {
                kind: Kind::Echo(id),
                inside: without_port(from),
                outside: without_port(to),
            }),
            Body::Icmp | Body::Other => None,
        }
    }

    /// Where it goes, as the policy sees it.
    pub(super) fn destination(&self) -> Destination {
        let protocol = match (self.kind, self.outside.ip()) {
            (Kind::Tcp, _) => Protocol::Tcp,
            (Kind::Udp, _) => Protocol::Udp,
            (Kind::Echo(_), IpAddr::V4(_)) => Protocol::Icmp {
                kind: ECHO,
                code: 0,
            },
            (Kind::Echo(_), IpAddr::V6(_)) => Protocol::Icmp {
                kind: ECHO_V6,
                code: 0,
            },
        };
        Destination {
            protocol,
            address: self.outside.ip(),
            port: self.outside.port(),
        }
    }

    /// The number of its pings, where it has some.
    pub(super) const fn ping(&self) -> Option<u16> {
        match self.kind {
            Kind::Echo(id) => Some(id),
            Kind::Tcp | Kind::Udp => None,
        }
    }
}
