//! The loop: packets in, events in, packets and bytes out. One thread, nothing that blocks.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::{
    super::{
        message::{Names, Tell, hear},
        netlink::Netlink,
        policy::Peers,
        written,
    },
    datagram,
    device::Device,
    flow::{Flow, Key, Stage},
    names::{Asker, Delivery, Resolver},
    packet::{self, Body, Packet, Unreachable},
    tcp::{End, Going},
    voice::Voice,
    world::{Id, World},
};
use crate::{
    model::NetworkPolicy,
    sandbox::tunnel::address::{RESOLVER, RESOLVER_PORT},
};

/// With nothing to do for so long it ends itself; the next packet starts another.
const QUIET: Duration = Duration::from_secs(30);

/// Packets that are taken from the device in one turn, so that what comes from outside gets its.
const TURN: usize = 64;

/// Events of one turn.
const EVENTS: usize = 256;

const DEVICE: Id = 0;
const CHANNEL: Id = 1;

#[derive(Debug)]
pub(super) struct Engine {
    pub(super) world: World,
    pub(super) policy: NetworkPolicy,
    pub(super) peers: Peers,
    pub(super) routes: Netlink,
    pub(super) resolver: Resolver,
    pub(super) voice: Voice,
    pub(super) flows: HashMap<Id, Flow>,
    pub(super) keys: HashMap<Key, Id>,
    /// Most conversations at once.
    pub(super) most: usize,
    quiet: Duration,
    next: Id,
    used: Instant,
    datagram: Vec<u8>,
}

/// What the process was given to begin with.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) channel: OwnedFd,
    pub(super) device: OwnedFd,
    pub(super) traffic: File,
    pub(super) policy: NetworkPolicy,
    pub(super) names: Names,
    pub(super) most: usize,
    /// How long it may have nothing to do, where not as long as usual.
    pub(super) quiet: Option<Duration>,
}

impl Engine {
    pub(super) fn new(given: Given) -> io::Result<Self> {
        let world = World::new(Device::new(given.device), given.channel, given.traffic)?;
        let now = world.now;
        world.watch(&world.device.as_fd(), DEVICE, EpollFlags::EPOLLIN)?;
        world.watch(&world.channel, CHANNEL, EpollFlags::EPOLLIN)?;
        let mut engine = Self {
            world,
            policy: NetworkPolicy::default(),
            peers: Peers::default(),
            routes: Netlink::open()?,
            resolver: Resolver::new(now),
            voice: Voice::default(),
            flows: HashMap::new(),
            keys: HashMap::new(),
            most: given.most,
            quiet: given.quiet.unwrap_or(QUIET),
            next: CHANNEL + 1,
            used: now,
            datagram: datagram::buffer(),
        };
        engine.resolver.tell(given.names, now);
        engine.hold_to(given.policy);
        Ok(engine)
    }

    /// A name for the next thing that has events.
    pub(super) fn id(&mut self) -> Id {
        let id = self.next;
        self.next += 1;
        id
    }

    /// The first of so many names.
    pub(super) fn reserve(&mut self, count: usize) -> Id {
        let first = self.next;
        self.next += count as u64;
        first
    }

    /// Until there is nothing to do for a while, or the shim is gone.
    pub(super) fn run(&mut self) -> io::Result<()> {
        let mut events = vec![EpollEvent::empty(); EVENTS];
        let mut buffer = Device::buffer();
        loop {
            let until = self.ends_at();
            if until.is_some_and(|until| until <= self.world.now) {
                self.world.settle(true);
                return Ok(());
            }
            let woken: Vec<(Id, EpollFlags)> = self
                .world
                .sleep(&mut events, until)?
                .iter()
                .map(|event| (event.data(), event.events()))
                .collect();
            for (id, flags) in woken {
                match id {
                    DEVICE => self.read_device(&mut buffer)?,
                    CHANNEL => {
                        if !self.listen() {
                            self.world.settle(true);
                            return Ok(());
                        }
                    }
                    id => self.wake(id, Some(flags)),
                }
            }
            for id in self.world.due() {
                self.wake(id, None);
            }
            self.world.settle(false);
        }
    }

    /// When there will have been nothing to do for long enough.
    fn ends_at(&self) -> Option<Instant> {
        let idle = self.flows.is_empty() && self.resolver.is_quiet();
        idle.then(|| self.used + self.quiet)
    }

    fn read_device(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        for _ in 0..TURN {
            let Some(packet) = self.world.device.read(buffer)? else {
                return Ok(());
            };
            self.used = self.world.now;
            if let Some(packet) = Packet::parse(packet) {
                self.take(&packet);
            }
        }
        Ok(())
    }

    /// A packet from inside.
    fn take(&mut self, packet: &Packet<'_>) {
        let Some(key) = Key::of(packet) else {
            if packet.body == Body::Other {
                self.answer(packet.unreachable(Unreachable::Protocol));
            }
            return;
        };
        if let Body::Udp { data, .. } = packet.body
            && packet.to == RESOLVER
            && key.outside.port() == RESOLVER_PORT
        {
            self.ask(Asker::Datagram(key.inside), data);
            return;
        }
        let Some(id) = self.keys.get(&key).copied() else {
            match packet.body {
                Body::Tcp { begins: false, .. } => self.answer(packet.reset()),
                _ => self.open(key, packet),
            }
            return;
        };
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        match &mut flow.stage {
            Stage::Tcp(connection) => {
                connection.take(&mut self.world, packet.bytes);
                self.step(id);
            }
            Stage::Datagrams(datagrams) => datagrams.send(&mut self.world, packet),
            Stage::Waiting(kept) => {
                if !matches!(packet.body, Body::Tcp { .. }) && kept.len() < super::flow::KEPT {
                    kept.push(packet.bytes.to_vec());
                }
            }
            // It was sent again for want of an answer.
            Stage::Connecting { .. } => {}
        }
    }

    /// Something happened outside, or (without flags) its time has come.
    fn wake(&mut self, id: Id, flags: Option<EpollFlags>) {
        if self.resolver.owns(id) {
            let delivery = self.resolver.wake(&mut self.world, id, flags.is_none());
            if let Some(delivery) = delivery {
                self.deliver(&delivery);
            }
            return;
        }
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        match (&mut flow.stage, flags) {
            (Stage::Tcp(connection), flags) => {
                if let Some(flags) = flags {
                    connection.wake(flags);
                }
                self.step(id);
            }
            (Stage::Datagrams(datagrams), Some(_)) => {
                datagrams.receive(&mut self.world, &mut self.datagram);
            }
            (Stage::Datagrams(datagrams), None) => {
                let ends = datagrams.ends();
                if ends <= self.world.now {
                    self.remove(id);
                } else {
                    self.world.alarm(ends, id);
                }
            }
            (Stage::Connecting { .. }, Some(_)) => self.connected(id),
            (Stage::Connecting { .. } | Stage::Waiting(_), _) => {}
        }
    }

    /// Moves what a connection can move.
    pub(super) fn step(&mut self, id: Id) {
        loop {
            let Some(flow) = self.flows.get_mut(&id) else {
                return;
            };
            let Stage::Tcp(connection) = &mut flow.stage else {
                return;
            };
            if connection.step(&mut self.world) == Going::Over {
                self.remove(id);
                return;
            }
            let End::Names(names) = &mut connection.end else {
                return;
            };
            let Some(question) = names.next() else { return };
            self.ask(Asker::Stream(id), &question);
        }
    }

    pub(super) fn remove(&mut self, id: Id) {
        if let Some(flow) = self.flows.remove(&id) {
            self.keys.remove(&flow.key);
            self.used = self.world.now;
        }
    }

    pub(super) fn answer(&mut self, packet: Option<Vec<u8>>) {
        if let Some(packet) = packet {
            self.world.device.write(&packet);
        }
    }

    /// A question about a name.
    fn ask(&mut self, asker: Asker, question: &[u8]) {
        let id = self.id();
        let answer = self.resolver.ask(
            &mut self.world,
            &self.policy,
            &self.peers,
            id,
            asker.clone(),
            question,
        );
        match answer {
            Some(bytes) => self.deliver(&Delivery { to: asker, bytes }),
            // One that is not answered must not hold its connection open.
            None if !self.resolver.owns(id) => {
                if let Asker::Stream(stream) = asker {
                    self.deliver_to_stream(stream, &[]);
                }
            }
            None => {}
        }
    }

    fn deliver(&mut self, delivery: &Delivery) {
        match &delivery.to {
            Asker::Datagram(inside) => {
                let from = (RESOLVER, RESOLVER_PORT).into();
                let packet = packet::datagram(from, *inside, &delivery.bytes);
                self.world.device.write(&packet);
            }
            Asker::Stream(id) => {
                self.deliver_to_stream(*id, &delivery.bytes);
                self.step(*id);
            }
            Asker::Granted { .. } => self.try_waiting(),
        }
    }

    fn deliver_to_stream(&mut self, id: Id, bytes: &[u8]) {
        if let Some(flow) = self.flows.get_mut(&id)
            && let Stage::Tcp(connection) = &mut flow.stage
            && let End::Names(names) = &mut connection.end
        {
            names.answer(bytes);
        }
    }

    /// What the shim says; false where it is gone.
    fn listen(&mut self) -> bool {
        loop {
            let (message, received) = match hear::<Tell>(&self.world.channel) {
                Ok(heard) => heard,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => continue,
                Err(_) => return false,
            };
            match (message, received.passed) {
                (Tell::Policy, Some(file)) => {
                    if let Ok(policy) = written::read(&mut file.into()) {
                        self.hold_to(policy);
                    }
                }
                (Tell::Names(names), _) => self.resolver.tell(names, self.world.now),
                (Tell::Dialled { id, errno }, socket) => self.dialled(id, errno, socket),
                _ => {}
            }
        }
    }
}
