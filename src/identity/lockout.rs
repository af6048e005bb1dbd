//! Locking an account after repeated wrong passwords, for those who entered them: whoever
//! guesses must not be able to lock its owner out. A name that is guessed at from many places is
//! slowed down for everybody, but stays open.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::model::Timestamp;

// UAA's defaults: five failures within an hour lock for five minutes.
const MOST_FAILURES: u32 = 5;
const WITHIN_MS: u64 = 3_600_000;
const LOCKED_MS: u64 = 300_000;
/// Failures of a name, from wherever, that slow it down, and by how much each further one does
/// and at most: a user waits some seconds, while guessing takes years.
const FREE_FAILURES: u32 = 20;
const SLOWER: Duration = Duration::from_millis(100);
const SLOWEST: Duration = Duration::from_secs(3);
/// Names and places that are watched at once. Names that nobody has are watched too, so that a
/// lock does not tell who exists; this bounds what they cost.
const MOST_NAMES: usize = 10_000;
/// Letters of a name that count.
const LONGEST_NAME: usize = 256;

/// Recent failures.
#[derive(Debug, Default)]
pub(super) struct Failures {
    names: Mutex<HashMap<Key, Record>>,
}

/// A name in lower case, and from where; none for from everywhere.
type Key = (String, Option<IpAddr>);

#[derive(Debug, Clone, Copy)]
struct Record {
    count: u32,
    last: Timestamp,
}

impl Record {
    fn is_locked(&self, now: Timestamp) -> bool {
        self.count >= MOST_FAILURES && now.since(self.last) < LOCKED_MS
    }

    fn is_over(&self, now: Timestamp, place: Option<IpAddr>) -> bool {
        let patience = if place.is_some() && self.count >= MOST_FAILURES {
            LOCKED_MS
        } else {
            WITHIN_MS
        };
        now.since(self.last) >= patience
    }
}

/// What a name is remembered by: in lower case, and of one that is longer than any user's the
/// beginning, since anybody may send thousands of those.
fn key(name: &str, place: Option<IpAddr>) -> Key {
    let start = name.chars().take(LONGEST_NAME);
    (start.flat_map(char::to_lowercase).collect(), place)
}

/// What counts as one place: an address, of version 6 the network that one customer gets.
fn place(client: IpAddr) -> Option<IpAddr> {
    Some(match client.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address @ IpAddr::V4(_) => address,
    })
}

impl Failures {
    /// Whether the name is locked for this client.
    pub(super) fn is_locked(&self, name: &str, client: IpAddr, now: Timestamp) -> bool {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names
            .get(&key(name, place(client)))
            .is_some_and(|record| record.is_locked(now))
    }

    /// How long the next look at a password of this name is put off.
    pub(super) fn delay(&self, name: &str, now: Timestamp) -> Duration {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let record = names
            .get(&key(name, None))
            .filter(|record| !record.is_over(now, None));
        let beyond = record.map_or(0, |record| record.count.saturating_sub(FREE_FAILURES));
        SLOWER.saturating_mul(beyond).min(SLOWEST)
    }

    /// Counts a wrong password.
    pub(super) fn count(&self, name: &str, client: IpAddr, now: Timestamp) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for place in [place(client), None] {
            count(&mut names, key(name, place), now);
        }
    }

    /// Forgets the failures of a name everywhere, since an admin says so.
    pub(super) fn clear(&self, name: &str) {
        let (name, _) = key(name, None);
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|(known, _), _| *known != name);
    }

    /// Forgets the failures of a name whose password was right, in this place.
    pub(super) fn forgive(&self, name: &str, client: IpAddr) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.remove(&key(name, place(client)));
    }
}

fn count(names: &mut HashMap<Key, Record>, key: Key, now: Timestamp) {
    if names
        .get(&key)
        .is_some_and(|record| record.is_over(now, key.1))
    {
        names.remove(&key);
    }
    if names.len() >= MOST_NAMES && !names.contains_key(&key) {
        names.retain(|(_, place), record| !record.is_over(now, *place));
        let oldest = names
            .iter()
            .min_by_key(|(_, record)| (record.count >= MOST_FAILURES, record.last))
            .map(|(key, _)| key.clone());
        if let Some(oldest) = oldest.filter(|_| names.len() >= MOST_NAMES) {
            names.remove(&oldest);
        }
    }
    let record = names.entry(key).or_insert(Record {
        count: 0,
        last: now,
    });
    record.count = record.count.saturating_add(1);
    record.last = now;
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn at(s: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + s * 1000)
    }

    #[test]
    fn five_failures_lock_for_five_minutes() {
        let failures = Failures::default();
        for s in 0..5 {
            assert!(!failures.is_locked("ann", HERE, at(s)));
            failures.count("Ann", HERE, at(s));
        }
        assert!(failures.is_locked("ann", HERE, at(5)));
        assert!(failures.is_locked("ANN", HERE, at(303)));
        assert!(!failures.is_locked("bob", HERE, at(5)));
        assert!(!failures.is_locked("ann", HERE, at(304)));
        for s in 400..404 {
            failures.count("ann", HERE, at(s));
        }
        assert!(!failures.is_locked("ann", HERE, at(404)));
        failures.forgive("ANN", HERE);
        failures.count("ann", HERE, at(405));
        assert!(!failures.is_locked("ann", HERE, at(406)));
    }

    #[test]
    fn whoever_guesses_locks_nobody_out_but_themselves() {
        let failures = Failures::default();
        let guesser: IpAddr = "2001:db8::1".parse().unwrap();
        let same_customer: IpAddr = "2001:db8::ffff:1".parse().unwrap();
        for s in 0..10 {
            failures.count("admin", guesser, at(s));
        }
        assert!(failures.is_locked("admin", same_customer, at(10)));
        assert!(!failures.is_locked("admin", HERE, at(10)));
    }

    #[test]
    fn a_name_that_is_guessed_at_from_everywhere_is_slowed_down_and_stays_open() {
        let failures = Failures::default();
        for n in 0..20 {
            let client = IpAddr::from([10, 0, 0, n]);
            failures.count("admin", client, at(0));
            assert_eq!(failures.delay("admin", at(0)), Duration::ZERO);
        }
        failures.count("admin", IpAddr::from([10, 0, 0, 20]), at(0));
        assert_eq!(failures.delay("admin", at(0)), SLOWER);
        for n in 0..200 {
            failures.count("admin", IpAddr::from([10, 0, 1, n]), at(1));
        }
        assert_eq!(failures.delay("admin", at(2)), SLOWEST);
        assert!(!failures.is_locked("admin", HERE, at(2)));
        assert_eq!(failures.delay("other", at(2)), Duration::ZERO);
        assert_eq!(failures.delay("admin", at(3602)), Duration::ZERO);
    }

    #[test]
    fn a_long_name_is_not_kept_whole() {
        let failures = Failures::default();
        failures.count(&"x".repeat(1_000_000), HERE, Timestamp::from_millis(1));
        let names = failures.names.lock().unwrap();
        assert_eq!(
            names.keys().map(|(name, _)| name.len()).max(),
            Some(LONGEST_NAME)
        );
    }

    #[test]
    fn watched_names_are_bounded() {
        let failures = Failures::default();
        let now = Timestamp::from_millis(1);
        for n in 0..MOST_NAMES / 2 + 50 {
            failures.count(&n.to_string(), HERE, now);
        }
        assert_eq!(failures.names.lock().unwrap().len(), MOST_NAMES);
    }
}
