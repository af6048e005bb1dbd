//! Who has been sent to a provider and is not back yet.
//!
//! In memory alone: a sign-on takes a minute, and whom a restart of the daemon meets on the way
//! begins anew.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::model::Timestamp;

/// Long enough for a second factor that has to be looked for.
const LIFE_MS: u64 = 10 * 60 * 1000;
/// Anybody may begin; this bounds what that costs, some kilobytes each.
const MOST: usize = 10_000;

/// One sign-on that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Begun {
    /// The provider.
    pub(super) origin: String,
    /// SHA-256 of what the browser has in its cookie.
    pub(super) ticket: [u8; 32],
    /// What the ID token has to say.
    pub(super) nonce: String,
    /// What shows at the token endpoint that it was us who asked.
    pub(super) verifier: String,
    /// The address that the provider sends the browser back to.
    pub(super) back: String,
    /// What is wanted afterwards.
    pub(super) purpose: String,
    /// When.
    pub(super) at: Timestamp,
}

/// Sign-ons by their `state`.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    begun: Mutex<HashMap<String, Begun>>,
}

impl Waiting {
    pub(super) fn add(&self, state: String, new: Begun, now: Timestamp) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.len() >= MOST {
            begun.retain(|_, one| is_fresh(one, now));
            let oldest = begun.iter().min_by_key(|(_, one)| one.at);
            if let Some(oldest) = oldest.map(|(state, _)| state.clone())
                && begun.len() >= MOST
            {
                begun.remove(&oldest);
            }
        }
        begun.insert(state, new);
    }

    /// The sign-on that the browser with `ticket` began. It is used up by being asked for.
    pub(super) fn take(&self, state: &str, ticket: &str, now: Timestamp) -> Option<Begun> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let found = begun.remove(state)?;
        let digest: [u8; 32] = Sha256::digest(ticket).into();
        let same = bool::from(digest.ct_eq(&found.ticket));
        (same && is_fresh(&found, now)).then_some(found)
    }
}

fn is_fresh(begun: &Begun, now: Timestamp) -> bool {
    now.since(begun.at) < LIFE_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_millis(s * 1000)
    }

    fn begun(at: Timestamp) -> Begun {
        Begun {
            origin: "school".to_owned(),
            ticket: Sha256::digest("ticket").into(),
            nonce: "nonce".to_owned(),
            verifier: "verifier".to_owned(),
            back: "https://api.example/login/callback/school".to_owned(),
            purpose: String::new(),
            at,
        }
    }

    #[test]
    fn a_sign_on_is_its_browsers_once_and_for_ten_minutes() {
        let waiting = Waiting::default();
        for state in ["a", "b", "c"] {
            waiting.add(state.to_owned(), begun(at(0)), at(0));
        }
        assert_eq!(waiting.take("a", "ticket", at(599)), Some(begun(at(0))));
        assert_eq!(waiting.take("a", "ticket", at(599)), None);
        assert_eq!(waiting.take("b", "another", at(1)), None);
        // Whoever tried has used it up.
        assert_eq!(waiting.take("b", "ticket", at(1)), None);
        assert_eq!(waiting.take("c", "ticket", at(600)), None);
    }

    #[test]
    fn those_who_wait_are_bounded_and_the_oldest_make_room() {
        let waiting = Waiting::default();
        for n in 0..MOST + 5 {
            let now = at(n as u64 / 100);
            waiting.add(n.to_string(), begun(now), now);
        }
        assert_eq!(waiting.begun.lock().unwrap().len(), MOST);
        let last = (MOST + 4).to_string();
        assert!(waiting.take(&last, "ticket", at(101)).is_some());
    }
}
