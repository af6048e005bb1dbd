//! How a conversation begins: whether it may, where it goes, and what those inside are told if
//! not; and how it ends when it may no more.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
};

use nix::{libc, sys::epoll::EpollFlags};

use super::{
    super::{
        message::{Ask, say},
        netlink::Leads,
        policy::{By, Destination, Facts, Place, Refusal, Verdict, decide, keeps, names_to_ask},
    },
    datagram::{Datagrams, reason},
    engine::Engine,
    flow::{Flow, Key, Kind, Stage},
    host,
    packet::{Packet, Unreachable},
    tcp::{self, Connection, End},
    world::Id,
};
use crate::model::NetworkPolicy;

/// Why a conversation does not begin.
enum Failed {
    /// It is not allowed to.
    Refused(Refusal),
    /// There are as many as there may be.
    TooMany,
    /// The host could not.
    Host(io::Error),
}

impl Engine {
    /// A first packet.
    pub(super) fn open(&mut self, key: Key, packet: &Packet<'_>) {
        if self.flows.len() >= self.most {
            self.tell(&key, packet, &Failed::TooMany);
            return;
        }
        let id = self.id();
        let flow = Flow {
            key,
            by: None,
            stage: Stage::Waiting(vec![packet.bytes.to_vec()]),
        };
        self.flows.insert(id, flow);
        self.keys.insert(key, id);
        self.proceed(id);
    }

    /// Goes on with those that wait for names.
    pub(super) fn try_waiting(&mut self) {
        let waiting = self
            .flows
            .iter()
            .filter(|(_, flow)| matches!(flow.stage, Stage::Waiting(_)) && flow.by.is_none());
        let waiting: Vec<Id> = waiting.map(|(id, _)| *id).collect();
        for id in waiting {
            self.proceed(id);
        }
    }

    /// Decides, where all that has to be known is.
    fn proceed(&mut self, id: Id) {
        let Some(key) = self.flows.get(&id).map(|flow| flow.key) else {
            return;
        };
        let to = key.destination();
        let verdict = match self.judge(&to) {
            Ok(Some(verdict)) => verdict,
            Ok(None) => return,
            Err(error) => return self.fail(id, &Failed::Host(error)),
        };
        match verdict {
            Verdict::Refused(why) => self.fail(id, &Failed::Refused(why)),
            Verdict::Resolver => self.become_connection(id, End::Names(tcp::Names::default())),
            Verdict::Open { by, log } => {
                if log {
                    self.voice.opened(&self.world.channel, &to);
                }
                let (target, next) = match &by {
                    By::Rule | By::Grant(_) => (key.outside, None),
                    By::Loopback => {
                        let port = key.outside.port();
                        let second = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
                        (
                            SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                            (key.kind == Kind::Tcp).then_some(second),
                        )
                    }
                    By::Peer { app, index } => {
                        let (app, index) = (*app, *index);
                        self.opened_by(id, by);
                        return self.dial(id, &key, Place { app, index });
                    }
                };
                self.opened_by(id, by);
                self.connect(id, &key, target, next);
            }
        }
    }

    fn opened_by(&mut self, id: Id, by: By) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.by = Some(by);
        }
    }

    /// The verdict; none where names have to be looked up first.
    fn judge(&mut self, to: &Destination) -> io::Result<Option<Verdict>> {
        let leads = self.routes.leads(to.address)?;
        let mut facts = Facts {
            own: leads == Leads::Here,
            broadcast: leads == Leads::Broadcast,
            named: &[],
        };
        let verdict = decide(&self.policy, &self.peers, facts, to);
        let refused = matches!(verdict, Verdict::Refused(_));
        if !refused || names_to_ask(&self.policy, to).next().is_none() {
            return Ok(Some(verdict));
        }
        let names: Vec<String> = names_to_ask(&self.policy, to).map(str::to_owned).collect();
        let named = self.look_up(&names, to.address.is_ipv6());
        let Some(named) = named else { return Ok(None) };
        facts.named = &named;
        Ok(Some(decide(&self.policy, &self.peers, facts, to)))
    }

    fn dial(&mut self, id: Id, key: &Key, place: Place) {
        let udp = key.kind == Kind::Udp;
        let ask = Ask::dial(id, place, key.outside.port(), udp);
        if let Err(error) = say(&self.world.channel, &ask, None) {
            self.fail(id, &Failed::Host(error));
        }
    }

    /// The shim has dialled another app.
    pub(super) fn dialled(&mut self, id: Id, errno: i32, socket: Option<OwnedFd>) {
        let waits = |flow: &Flow| matches!((&flow.stage, &flow.by), (Stage::Waiting(_), Some(_)));
        if !self.flows.get(&id).is_some_and(waits) {
            return;
        }
        match socket {
            Some(socket) if errno == 0 => self.connected_by(id, socket),
            _ => {
                let errno = if errno == 0 {
                    libc::EHOSTUNREACH
                } else {
                    errno
                };
                self.fail(id, &Failed::Host(io::Error::from_raw_os_error(errno)));
            }
        }
    }

    fn connect(&mut self, id: Id, key: &Key, target: SocketAddr, next: Option<SocketAddr>) {
        let socket = match key.kind {
            Kind::Tcp => host::stream(target),
            Kind::Udp => host::datagrams(target),
            Kind::Echo(_) => host::pings(target.ip()),
        };
        let socket = match (socket, next) {
            (Ok(socket), _) => socket,
            (Err(_), Some(next)) => return self.connect(id, key, next, None),
            (Err(error), None) => return self.fail(id, &Failed::Host(error)),
        };
        if key.kind != Kind::Tcp {
            return self.connected_by(id, socket);
        }
        if let Err(error) = self.world.watch(&socket, id, tcp::events()) {
            return self.fail(id, &Failed::Host(error));
        }
        if let Some(flow) = self.flows.get_mut(&id) {
            let syn = match &mut flow.stage {
                Stage::Waiting(kept) => kept.pop(),
                Stage::Connecting { syn, .. } => Some(std::mem::take(syn)),
                Stage::Tcp(_) | Stage::Datagrams(_) => None,
            };
            let syn = syn.unwrap_or_default();
            flow.stage = Stage::Connecting { socket, next, syn };
        }
    }

    /// A connection of the host has come about, or failed.
    pub(super) fn connected(&mut self, id: Id) {
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        let Stage::Connecting { socket, next, syn } = &mut flow.stage else {
            return;
        };
        let errno = host::outcome(socket);
        let (key, next) = (flow.key, next.take());
        match (errno, next) {
            (0, _) => {
                let syn = std::mem::take(syn);
                let stage = std::mem::replace(&mut flow.stage, Stage::Waiting(vec![syn]));
                if let Stage::Connecting { socket, .. } = stage {
                    self.become_connection(id, End::host(socket));
                }
            }
            (_, Some(next)) => self.connect(id, &key, next, None),
            (errno, None) => {
                self.fail(id, &Failed::Host(io::Error::from_raw_os_error(errno)));
            }
        }
    }

    /// A socket is there: what was kept goes out.
    fn connected_by(&mut self, id: Id, socket: OwnedFd) {
        let Some(key) = self.flows.get(&id).map(|flow| flow.key) else {
            return;
        };
        let events = match key.kind {
            Kind::Tcp => tcp::events(),
            Kind::Udp | Kind::Echo(_) => EpollFlags::EPOLLIN,
        };
        if let Err(error) = self.world.watch(&socket, id, events) {
            return self.fail(id, &Failed::Host(error));
        }
        if key.kind == Kind::Tcp {
            return self.become_connection(id, End::host(socket));
        }
        let now = self.world.now;
        let mut datagrams = Datagrams::new(socket, key.inside, key.outside, key.ping(), now);
        self.world.alarm(datagrams.ends(), id);
        self.world.account.count_connection(now);
        if let Some(flow) = self.flows.get_mut(&id) {
            if let Stage::Waiting(kept) = &flow.stage {
                for packet in kept.iter().filter_map(|bytes| Packet::parse(bytes)) {
                    datagrams.send(&mut self.world, &packet);
                }
            }
            flow.stage = Stage::Datagrams(datagrams);
        }
    }

    /// Answers the SYN that was kept.
    fn become_connection(&mut self, id: Id, end: End) {
        let others = self.flows.len();
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        let Stage::Waiting(kept) = &mut flow.stage else {
            return;
        };
        let syn = kept.pop().unwrap_or_default();
        if matches!(end, End::Host(_)) {
            self.world.account.count_connection(self.world.now);
        }
        let connection = Connection::new(&mut self.world, id, flow.key.outside, &syn, end, others);
        match connection {
            Ok(connection) => {
                flow.stage = Stage::Tcp(Box::new(connection));
                self.step(id);
            }
            Err(error) => {
                flow.stage = Stage::Waiting(vec![syn]);
                self.fail(id, &Failed::Host(error));
            }
        }
    }

    /// It does not come about: tells those inside and forgets it.
    fn fail(&mut self, id: Id, failed: &Failed) {
        let Some(flow) = self.flows.remove(&id) else {
            return;
        };
        self.keys.remove(&flow.key);
        let first = match flow.stage {
            Stage::Waiting(kept) => kept.into_iter().next(),
            Stage::Connecting { syn, .. } => Some(syn),
            Stage::Tcp(_) | Stage::Datagrams(_) => None,
        };
        if let Some(packet) = first.as_deref().and_then(Packet::parse) {
            self.tell(&flow.key, &packet, failed);
        }
    }

    fn tell(&mut self, key: &Key, packet: &Packet<'_>, failed: &Failed) {
        let to = key.destination();
        let words = match failed {
            Failed::Refused(why) => Some(why.words()),
            Failed::TooMany => Some("the app has too many connections open"),
            Failed::Host(_) => None,
        };
        if let Some(words) = words {
            let (shim, now) = (&self.world.channel, self.world.now);
            self.voice.refused(shim, &to, words, now);
        }
        let why = match (failed, key.kind) {
            (Failed::Host(error), _) => reason(error),
            (_, Kind::Echo(_)) => Unreachable::Prohibited,
            // "Connection refused" is what a program knows best of all.
            _ => Unreachable::Port,
        };
        let answer = if key.kind == Kind::Tcp && why == Unreachable::Port {
            packet.reset()
        } else {
            packet.unreachable(why)
        };
        self.answer(answer);
    }

    /// From now on this holds, also for what is there.
    pub(super) fn hold_to(&mut self, policy: NetworkPolicy) {
        self.peers = self.peers.assign(&policy);
        self.policy = policy;
        self.resolver.forget();
        let rate = self.policy.bytes_per_second;
        self.world.account.limit(rate, self.world.now);
        let over = self.flows.iter().filter(|(_, flow)| {
            let to = flow.key.destination();
            let by = flow.by.as_ref();
            by.is_some_and(|by| !keeps(&self.policy, by, &to))
        });
        let over: Vec<Id> = over.map(|(id, _)| *id).collect();
        for id in over {
            if let Some(flow) = self.flows.get_mut(&id)
                && let Stage::Tcp(connection) = &mut flow.stage
            {
                connection.abort(&mut self.world);
                self.remove(id);
            } else {
                self.fail(id, &Failed::Refused(Refusal::NoRule));
            }
        }
        self.try_waiting();
    }

    fn look_up(&mut self, names: &[String], v6: bool) -> Option<Vec<(String, std::net::IpAddr)>> {
        let first = self.reserve(names.len());
        let mut ids = first..;
        self.resolver.granted(
            &mut self.world,
            names.iter().map(String::as_str),
            v6,
            || ids.next().unwrap_or(first),
        )
    }
}
