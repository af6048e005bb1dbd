//! One-time codes: what a client that was given a token hands on to another program, which then
//! knows who sent it, without ever seeing the token.
//!
//! They are kept in memory alone: they live for minutes, and a daemon that starts anew has no
//! use for codes of the one before it.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use rand::RngExt as _;

use super::{Identity, LoginError};
use crate::model::{Timestamp, TokenId, User, UserId};

/// UAA's authorization codes last as long.
const LIFE_MS: u64 = 5 * 60 * 1000;
/// Codes of one session that wait to be used; a script that asks for more loses the oldest.
const MOST_OF_SESSION: usize = 100;
/// Letters and digits of a code: more than anybody can try.
const LENGTH: usize = 32;

/// Codes that wait to be used.
#[derive(Debug, Default)]
pub(super) struct Codes {
    waiting: Mutex<HashMap<String, Code>>,
}

#[derive(Debug, Clone)]
struct Code {
    whose: Whose,
    /// Whom it is for.
    client: String,
    issued_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Whose {
    /// Whoever has this session.
    Session(TokenId),
    /// A user who has proved who they are just now.
    Person(Person),
}

/// A user who has proved who they are, and what they did it for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The user.
    pub user: UserId,
    /// Where the code is sent to; the client has to name it again (RFC 6749, 4.1.3).
    pub redirect_uri: Option<String>,
    /// SHA-256 of what the client has to know (RFC 7636), in base64url.
    pub challenge: Option<String>,
    /// What was asked for.
    pub scope: Option<String>,
}

impl Whose {
    fn is_of_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Session(a), Self::Session(b)) => a == b,
            (Self::Person(a), Self::Person(b)) => a.user == b.user,
            _ => false,
        }
    }
}

/// A fresh code.
fn text() -> String {
    let mut random = rand::rng();
    (0..LENGTH)
        .map(|_| char::from(random.sample(rand::distr::Alphanumeric)))
        .collect()
}

impl Codes {
    fn add(&self, code: String, new: Code, now: Timestamp) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, code| now.since(code.issued_at) < LIFE_MS);
        let of_session = || {
            waiting
                .iter()
                .filter(|(_, code)| code.whose.is_of_same(&new.whose))
        };
        if of_session().count() >= MOST_OF_SESSION {
            let oldest = of_session().min_by_key(|(_, code)| code.issued_at);
            if let Some(oldest) = oldest.map(|(text, _)| text.clone()) {
                waiting.remove(&oldest);
            }
        }
        waiting.insert(code, new);
    }

    /// Whose a code is that is for `client`; it is used up by being asked for.
    fn take(&self, code: &str, client: &str, now: Timestamp) -> Option<Whose> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let found = waiting.remove(code)?;
        let good = found.client == client && now.since(found.issued_at) < LIFE_MS;
        good.then_some(found.whose)
    }
}

impl Identity {
    /// A code that tells `client`, once and within five minutes, whose valid access token
    /// `access` is.
    ///
    /// # Errors
    /// [`LoginError::InvalidToken`].
    pub fn issue_code(
        &self,
        access: &str,
        client: &str,
        now: Timestamp,
    ) -> Result<String, LoginError> {
        let state = self.shared.store.state();
        // A code says who somebody is and not what little their token is good for.
        let claims = self
            .bearer(&state, access, now)
            .filter(|bearer| bearer.limit.is_none())
            .map(|bearer| bearer.claims)
            .ok_or(LoginError::InvalidToken)?;
        let code = text();
        let new = Code {
            whose: Whose::Session(claims.sid),
            client: client.to_owned(),
            issued_at: now,
        };
        self.shared.codes.add(code.clone(), new, now);
        Ok(code)
    }

    /// The same for a code that came from outside: `who` is the name that was given with it, and
    /// from where. Wrong codes lock the name for that place, as wrong passwords do.
    ///
    /// # Errors
    /// [`LoginError::BadCredentials`], or [`LoginError::Locked`] after too many of those.
    pub fn redeem_code_of(
        &self,
        code: &str,
        client: &str,
        (name, place): (&str, IpAddr),
        now: Timestamp,
    ) -> Result<Arc<User>, LoginError> {
        let failures = &self.shared.failures;
        if failures.is_locked(name, place, now) {
            return Err(LoginError::Locked);
        }
        match self.redeem_code(code, client, now) {
            Some(user) => {
                failures.forgive(name, place);
                Ok(user)
            }
            None => {
                failures.count(name, place, now);
                Err(LoginError::BadCredentials)
            }
        }
    }

    /// A code with which `client`, once and within five minutes, logs `person` in.
    #[must_use]
    pub fn issue_login(&self, person: Person, client: &str, now: Timestamp) -> String {
        let code = text();
        let new = Code {
            whose: Whose::Person(person),
            client: client.to_owned(),
            issued_at: now,
        };
        self.shared.codes.add(code.clone(), new, now);
        code
    }

    /// Who logs in with `code`, which was issued for `client`.
    #[must_use]
    pub fn redeem_login(&self, code: &str, client: &str, now: Timestamp) -> Option<Person> {
        match self.shared.codes.take(code, client, now)? {
            Whose::Person(person) => Some(person),
            Whose::Session(_) => None,
        }
    }

    /// Who was given `code` for `client`. A code works once; one of a session that has ended
    /// meanwhile does not work at all.
    #[must_use]
    pub fn redeem_code(&self, code: &str, client: &str, now: Timestamp) -> Option<Arc<User>> {
        let Whose::Session(session) = self.shared.codes.take(code, client, now)? else {
            return None;
        };
        let state = self.shared.store.state();
        let session = state.tokens.get(&session)?;
        state.users.get(&session.user).map(Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_millis(s * 1000)
    }

    fn issue(codes: &Codes, code: &str, session: TokenId, now: Timestamp) {
        let new = Code {
            whose: Whose::Session(session),
            client: "ssh-proxy".to_owned(),
            issued_at: now,
        };
        codes.add(code.to_owned(), new, now);
    }

    #[test]
    fn a_code_works_once() {
        let (codes, session) = (Codes::default(), TokenId::random());
        issue(&codes, "a", session, at(0));
        assert_eq!(
            codes.take("a", "ssh-proxy", at(1)),
            Some(Whose::Session(session))
        );
        assert_eq!(codes.take("a", "ssh-proxy", at(1)), None);
    }

    #[test]
    fn a_code_works_for_five_minutes_and_for_its_client_alone() {
        let (codes, session) = (Codes::default(), TokenId::random());
        issue(&codes, "a", session, at(0));
        issue(&codes, "b", session, at(0));
        assert_eq!(codes.take("a", "ssh-proxy", at(300)), None);
        assert_eq!(codes.take("b", "other", at(1)), None);
        // Whoever tried has used it up.
        assert_eq!(codes.take("b", "ssh-proxy", at(1)), None);
    }

    #[test]
    fn a_session_has_a_hundred_codes_at_most() {
        let (codes, session) = (Codes::default(), TokenId::random());
        let other = TokenId::random();
        issue(&codes, "other", other, at(0));
        for n in 0..150 {
            issue(&codes, &n.to_string(), session, at(n));
        }
        assert_eq!(codes.take("49", "ssh-proxy", at(150)), None);
        assert_eq!(
            codes.take("50", "ssh-proxy", at(150)),
            Some(Whose::Session(session))
        );
        assert_eq!(
            codes.take("other", "ssh-proxy", at(150)),
            Some(Whose::Session(other))
        );
        issue(&codes, "late", other, at(1000));
        assert_eq!(codes.waiting.lock().unwrap().len(), 1);
    }
}
