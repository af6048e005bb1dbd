//! The platform's answers about names: of other apps out of the policy, of what is granted out of
//! the host's files, and of everything else from the host's name servers.

mod message;
#[cfg(test)]
mod tests;
mod upstream;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use self::{
    message::{Question, Read},
    upstream::{Outcome, Upstream},
};
use super::{
    super::{
        address::{HOST, HOST_NAME},
        bucket::Bucket,
        message::{Ask, Names, say},
        policy::{Answer, Peers, is_internal},
    },
    world::{Id, World},
};
use crate::model::NetworkPolicy;

/// Questions that may wait for the host's servers; more go unanswered.
const WAITING: usize = 256;

/// Questions that one sandbox may ask: so many at once, so many a second. A server that looks a
/// name up for every request of a busy app stays far below.
const BURST: u64 = 1000;
const A_SECOND: u64 = 500;

/// The host's files are read again where what we know of them is older.
const FRESH: Duration = Duration::from_secs(10);

/// How long the address of a granted name is kept, whatever its server says.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(60);

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asker {
    /// Somebody inside, by datagram.
    Datagram(SocketAddr),
    /// A connection from inside.
    Stream(Id),
    /// We ourselves: whether a name that is granted is meant.
    Granted { name: String, v6: bool },
}

/// What an asker gets.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) to: Asker,
    pub(super) bytes: Vec<u8>,
}

/// What is known of the addresses of a granted name.
#[derive(Debug, Clone)]
struct Known {
    addresses: Vec<IpAddr>,
    until: Instant,
}

#[derive(Debug)]
pub(super) struct Resolver {
    names: Names,
    told: Option<Instant>,
    questions: Bucket,
    waiting: HashMap<Id, Upstream>,
    known: HashMap<(String, bool), Known>,
}

impl Resolver {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            names: Names::default(),
            told: None,
            questions: Bucket::new(Some(A_SECOND), BURST, now),
            waiting: HashMap::new(),
            known: HashMap::new(),
        }
    }

    /// What the host knows.
    pub(super) fn tell(&mut self, names: Names, now: Instant) {
        self.names = names;
        self.told = Some(now);
    }

    /// Forgets what granted names stood for.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// Whether `id` is one of its questions.
    pub(super) fn owns(&self, id: Id) -> bool {
        self.waiting.contains_key(&id)
    }

    /// Whether nobody waits for anything.
    pub(super) fn is_quiet(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a question; `id` names it while it waits. The answer comes at once, later, or never.
    pub(super) fn ask(
        &mut self,
        world: &mut World,
        policy: &NetworkPolicy,
        peers: &Peers,
        id: Id,
        asker: Asker,
        bytes: &[u8],
    ) -> Option<Vec<u8>> {
        if !self.questions.take(1, world.now) {
            return None;
        }
        let question = match message::read(bytes) {
            Read::Question(question) => question,
            Read::Answer(answer) => return Some(answer),
            Read::Garbage => return None,
        };
        if let Some(answer) = self.own(policy, peers, &question) {
            return answer;
        }
        self.refresh(world);
        if self.waiting.len() >= WAITING {
            return question.failed();
        }
        let stream = matches!(asker, Asker::Stream(_));
        let upstream = Upstream::new(id, asker, bytes, question.range.clone(), stream, world.now);
        let Ok(mut upstream) = upstream else {
            return question.failed();
        };
        match upstream.ask(world, &self.names.servers) {
            Outcome::Later => {
                self.waiting.insert(id, upstream);
                None
            }
            Outcome::Answered(_) | Outcome::Failed => question.failed(),
        }
    }

    /// The answer that is ours to give, where the name is one of ours.
    fn own(
        &self,
        policy: &NetworkPolicy,
        peers: &Peers,
        question: &Question,
    ) -> Option<Option<Vec<u8>>> {
        let name = question.name.as_str();
        if is_internal(name) {
            return Some(match peers.lookup(policy, name) {
                Answer::Found(found) => question.found_v4(&found),
                Answer::Unknown => question.unknown(),
            });
        }
        if question.is_reverse_of_ours() {
            return Some(question.unknown());
        }
        let granted = |name: &str| {
            let mut grants = policy.grants.iter();
            grants.any(|grant| grant.host.eq_ignore_ascii_case(name))
        };
        if name == HOST_NAME {
            return Some(if granted(HOST_NAME) {
                question.found_v4(&[HOST])
            } else {
                question.unknown()
            });
        }
        let own: Vec<IpAddr> = self.in_files(name).collect();
        (!own.is_empty() && granted(name)).then(|| question.found(&own))
    }

    fn in_files<'a>(&'a self, name: &'a str) -> impl Iterator<Item = IpAddr> + 'a {
        let hosts = self.names.hosts.iter();
        hosts
            .filter(move |(host, _)| host.eq_ignore_ascii_case(name))
            .map(|(_, address)| *address)
    }

    /// What is known of the addresses of `names`; none where one of them has to be asked for
    /// first, which is under way then. `id` gives out names for questions.
    pub(super) fn granted<'a>(
        &mut self,
        world: &mut World,
        names: impl Iterator<Item = &'a str>,
        v6: bool,
        mut id: impl FnMut() -> Id,
    ) -> Option<Vec<(String, IpAddr)>> {
        let mut found = Vec::new();
        let mut complete = true;
        for name in names {
            let before = found.len();
            found.extend(
                self.in_files(name)
                    .map(|address| (name.to_owned(), address)),
            );
            if found.len() > before {
                continue;
            }
            let key = (name.to_ascii_lowercase(), v6);
            match self.known.get(&key) {
                Some(known) if known.until > world.now => {
                    let addresses = known.addresses.iter();
                    found.extend(addresses.map(|address| (name.to_owned(), *address)));
                }
                _ => complete &= !self.look_up(world, &key, &mut id),
            }
        }
        complete.then_some(found)
    }

    /// Asks for a granted name, unless that is under way; whether there is something to wait for.
    fn look_up(
        &mut self,
        world: &mut World,
        (name, v6): &(String, bool),
        id: &mut impl FnMut() -> Id,
    ) -> bool {
        let asker = Asker::Granted {
            name: name.clone(),
            v6: *v6,
        };
        if self.waiting.values().any(|one| one.asker == asker) {
            return true;
        }
        self.refresh(world);
        let Some(bytes) = message::ask(name, *v6) else {
            return false;
        };
        let Read::Question(question) = message::read(&bytes) else {
            return false;
        };
        let id = id();
        let upstream = Upstream::new(id, asker, &bytes, question.range.clone(), false, world.now);
        let Ok(mut upstream) = upstream else {
            return false;
        };
        if upstream.ask(world, &self.names.servers) == Outcome::Later {
            self.waiting.insert(id, upstream);
            return true;
        }
        false
    }

    /// Reads the host's files again where it is time. What is known serves until then.
    fn refresh(&mut self, world: &World) {
        if self.told.is_none_or(|told| world.now >= told + FRESH) {
            self.told = Some(world.now);
            let _ = say(&world.channel, &Ask::Names, None);
        }
    }

    /// Something happened with the question `id`, or its time may be over.
    pub(super) fn wake(&mut self, world: &mut World, id: Id, alarm: bool) -> Option<Delivery> {
        let upstream = self.waiting.get_mut(&id)?;
        let outcome = if alarm {
            upstream.alarmed(world, &self.names.servers)
        } else {
            upstream.woken(world, &self.names.servers)
        };
        let answer = match outcome {
            Outcome::Later => return None,
            Outcome::Answered(answer) => Some(answer),
            Outcome::Failed => None,
        };
        let upstream = self.waiting.remove(&id)?;
        if let Asker::Granted { name, v6 } = &upstream.asker {
            let (addresses, ttl) = answer
                .as_deref()
                .and_then(message::addresses)
                .unwrap_or_default();
            let keep = Duration::from_secs(ttl.into()).clamp(SHORTEST, LONGEST);
            let until = world.now + keep;
            self.known
                .insert((name.clone(), *v6), Known { addresses, until });
        }
        let bytes = match answer {
            Some(mut answer) => {
                answer
                    .get_mut(..2)?
                    .copy_from_slice(&upstream.came_as.to_be_bytes());
                answer
            }
            None => upstream.failed(),
        };
        Some(Delivery {
            to: upstream.asker,
            bytes,
        })
    }
}

impl Upstream {
    /// What the asker is told where nobody answered.
    fn failed(&self) -> Vec<u8> {
        match message::read(&self.as_it_came()) {
            Read::Question(question) => question.failed().unwrap_or_default(),
            Read::Answer(_) | Read::Garbage => Vec::new(),
        }
    }
}
