//! Locking an account after repeated wrong passwords.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::model::Timestamp;

// UAA's defaults: five failures within an hour lock for five minutes.
const MOST_FAILURES: u32 = 5;
const WITHIN_MS: u64 = 3_600_000;
const LOCKED_MS: u64 = 300_000;
/// Names that are watched at once. Names that nobody has are watched too, so that a lock
/// does not tell who exists; this bounds what they cost.
const MOST_NAMES: usize = 10_000;
/// Letters of a name that count.
const LONGEST_NAME: usize = 256;

/// Recent failures by user name in lower case.
#[derive(Debug, Default)]
pub(super) struct Failures {
    names: Mutex<HashMap<String, Record>>,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    count: u32,
    last: Timestamp,
}

impl Record {
    fn is_locked(&self, now: Timestamp) -> bool {
        self.count >= MOST_FAILURES && now.since(self.last) < LOCKED_MS
    }

    fn is_over(&self, now: Timestamp) -> bool {
        let patience = if self.count >= MOST_FAILURES {
            LOCKED_MS
        } else {
            WITHIN_MS
        };
        now.since(self.last) >= patience
    }
}

/// What a name is remembered by: in lower case, and of one that is longer than any user's the
/// beginning, since anybody may send thousands of those.
fn key(name: &str) -> String {
    let start = name.chars().take(LONGEST_NAME);
    start.flat_map(char::to_lowercase).collect()
}

impl Failures {
    /// Whether the name is locked.
    pub(super) fn is_locked(&self, name: &str, now: Timestamp) -> bool {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names
            .get(&key(name))
            .is_some_and(|record| record.is_locked(now))
    }

    /// Counts a wrong password.
    pub(super) fn count(&self, name: &str, now: Timestamp) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let name = key(name);
        if names.get(&name).is_some_and(|record| record.is_over(now)) {
            names.remove(&name);
        }
        if names.len() >= MOST_NAMES && !names.contains_key(&name) {
            names.retain(|_, record| !record.is_over(now));
            let oldest = names
                .iter()
                .min_by_key(|(_, record)| (record.count >= MOST_FAILURES, record.last))
                .map(|(name, _)| name.clone());
            if let Some(oldest) = oldest.filter(|_| names.len() >= MOST_NAMES) {
                names.remove(&oldest);
            }
        }
        let record = names.entry(name).or_insert(Record {
            count: 0,
            last: now,
        });
        record.count += 1;
        record.last = now;
    }

    /// Forgets the failures of a name whose password was right.
    pub(super) fn forgive(&self, name: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.remove(&key(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_lock_for_five_minutes() {
        let at = |s: u64| Timestamp::from_millis(1_000_000 + s * 1000);
        let failures = Failures::default();
        for s in 0..5 {
            assert!(!failures.is_locked("ann", at(s)));
            failures.count("Ann", at(s));
        }
        assert!(failures.is_locked("ann", at(5)));
        assert!(failures.is_locked("ANN", at(303)));
        assert!(!failures.is_locked("bob", at(5)));
        assert!(!failures.is_locked("ann", at(304)));
        for s in 400..404 {
            failures.count("ann", at(s));
        }
        assert!(!failures.is_locked("ann", at(404)));
        failures.forgive("ANN");
        failures.count("ann", at(405));
        assert!(!failures.is_locked("ann", at(406)));
    }

    #[test]
    fn a_long_name_is_not_kept_whole() {
        let failures = Failures::default();
        failures.count(&"x".repeat(1_000_000), Timestamp::from_millis(1));
        let names = failures.names.lock().unwrap();
        assert_eq!(names.keys().map(String::len).max(), Some(LONGEST_NAME));
    }

    #[test]
    fn watched_names_are_bounded() {
        let failures = Failures::default();
        let now = Timestamp::from_millis(1);
        for n in 0..MOST_NAMES + 50 {
            failures.count(&n.to_string(), now);
        }
        assert_eq!(failures.names.lock().unwrap().len(), MOST_NAMES);
    }
}
