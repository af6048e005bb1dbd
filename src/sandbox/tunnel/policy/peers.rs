//! Addresses and names of the instances that network policies open.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr},
};

use super::super::address::{APPS, peer};
use crate::model::{AppId, NetworkPolicy};

/// An instance of another app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::sandbox::tunnel) struct Place {
    pub(in crate::sandbox::tunnel) app: AppId,
    pub(in crate::sandbox::tunnel) index: u32,
}

/// What a question about a name below [`APPS`] comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox::tunnel) enum Answer {
    /// The instances that are ready; none is an answer, too.
    Found(Vec<Ipv4Addr>),
    /// There is no such name.
    Unknown,
}

/// The addresses that peers have as seen from one sandbox.
#[derive(Debug, Clone, Default)]
pub(in crate::sandbox::tunnel) struct Peers {
    addresses: BTreeMap<Place, u16>,
    places: HashMap<u16, Place>,
}

impl Peers {
    /// Gives each instance of the policy an address. One that had one before keeps it: somebody
    /// may have looked it up and not yet used it.
    pub(in crate::sandbox::tunnel) fn assign(&self, policy: &NetworkPolicy) -> Self {
        let mut wanted: Vec<Place> = policy
            .peers
            .iter()
            .flat_map(|peer| {
                let app = peer.app;
                peer.instances.iter().map(move |instance| Place {
                    app,
                    index: instance.index,
                })
            })
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut assigned = Self::default();
        for place in &wanted {
            if let Some(number) = self.addresses.get(place) {
                assigned.put(*place, *number);
            }
        }
        for place in wanted {
            if assigned.addresses.contains_key(&place) {
                continue;
            }
            // From its identity, so that it is mostly the same in the next process, too.
            let seed = crc32c::crc32c(format!("{}:{}", place.app, place.index).as_bytes());
            let first = u16::try_from(seed & 0xffff).unwrap_or(0);
            let mut free = (0..=u16::MAX).map(|step| first.wrapping_add(step));
            if let Some(number) = free.find(|number| !assigned.places.contains_key(number)) {
                assigned.put(place, number);
            }
        }
        assigned
    }

    fn put(&mut self, place: Place, number: u16) {
        self.addresses.insert(place, number);
        self.places.insert(number, place);
    }

    /// Who has `address`.
    pub(in crate::sandbox::tunnel) fn at(&self, address: IpAddr) -> Option<Place> {
        let IpAddr::V4(address) = address else {
            return None;
        };
        let [_, _, high, low] = address.octets();
        let number = u16::from_be_bytes([high, low]);
        let place = self.places.get(&number).copied();
        place.filter(|_| peer(number) == address)
    }

    /// What `name` stands for, which is in lower case, without a dot at its end, and below
    /// [`APPS`].
    pub(in crate::sandbox::tunnel) fn lookup(&self, policy: &NetworkPolicy, name: &str) -> Answer {
        let named = |name: &str| {
            let mut peers = policy.peers.iter();
            peers.find(|peer| peer.names.iter().any(|one| one.eq_ignore_ascii_case(name)))
        };
        let (peer, wanted) = if let Some(peer) = named(name) {
            (peer, None)
        } else {
            let of = name.split_once('.').and_then(|(index, rest)| {
                let index: u32 = index.parse().ok()?;
                named(rest).map(|peer| (peer, Some(index)))
            });
            let Some(found) = of else {
                return Answer::Unknown;
            };
            found
        };
        let mut found = Vec::new();
        for instance in &peer.instances {
            let place = Place {
                app: peer.app,
                index: instance.index,
            };
            if wanted.is_none_or(|index| index == instance.index)
                && let Some(number) = self.addresses.get(&place)
            {
                found.push(super::super::address::peer(*number));
            }
        }
        if wanted.is_some() && found.is_empty() {
            return Answer::Unknown;
        }
        Answer::Found(found)
    }
}

/// Whether `name`, in lower case and without a dot at its end, is [`APPS`] or below it.
pub(in crate::sandbox::tunnel) fn is_internal(name: &str) -> bool {
    name.strip_suffix(APPS)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
