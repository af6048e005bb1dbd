//! What the app's owner is told in its log.

use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use super::super::{
    message::{Ask, say},
    policy::{Destination, Protocol},
};

/// The same is not said again for so long.
const AGAIN: Duration = Duration::from_secs(60);

/// So many different things are remembered.
const REMEMBERED: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Voice {
    said: HashMap<Destination, Instant>,
}

impl Voice {
    /// A connection was refused, and why.
    pub(super) fn refused(&mut self, shim: &OwnedFd, to: &Destination, why: &str, now: Instant) {
        self.said.retain(|_, said| *said + AGAIN > now);
        if self.said.contains_key(to) || self.said.len() >= REMEMBERED {
            return;
        }
        self.said.insert(*to, now);
        let line = format!("[network] {} was refused: {why}", words(to));
        let _ = say(shim, &Ask::Log(line), None);
    }

    /// A rule wants to have a connection told.
    pub(super) fn opened(&self, shim: &OwnedFd, to: &Destination) {
        let line = format!("[network] {} was opened", words(to));
        let _ = say(shim, &Ask::Log(line), None);
    }
}

fn words(to: &Destination) -> String {
    let place = std::net::SocketAddr::new(to.address, to.port);
    match to.protocol {
        Protocol::Tcp => format!("a TCP connection to {place}"),
        Protocol::Udp => format!("UDP to {place}"),
        Protocol::Icmp { .. } => format!("a ping of {}", to.address),
    }
}
