//! Who may see a site.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::{
    model::{Login, Site},
    sites,
};

/// Logins that a thread remembers, so that a page with many files costs one slow look at a
/// password; past that it starts afresh.
const REMEMBERED: usize = 1000;

/// Passwords of one site that a thread looks at side by side. Each takes up to a second of a
/// core, so who guesses gets no further and others have theirs.
const AT_ONCE: usize = 2;

/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Welcome,
    /// Whoever it is, they have not said the right password.
    Unknown,
    /// There are too many to be looked at.
    Busy,
}

/// What a thread knows about who may see sites.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Logins {
    /// Makes what is remembered useless elsewhere; made at first need.
    secret: RefCell<Option<[u8; 32]>>,
    right: RefCell<HashSet<[u8; 32]>>,
    turns: RefCell<HashMap<PathBuf, Arc<Semaphore>>>,
}

impl Logins {
    pub(super) async fn check(&self, root: &Path, site: &Site, headers: &HeaderMap) -> Verdict {
        let Some(logins) = &site.logins else {
            return Verdict::Welcome;
        };
        let Some((name, password)) = credentials(headers) else {
            return Verdict::Unknown;
        };
        let found = logins.iter().find(|login| login.name == name);
        // A name that is not there takes as long as one that is.
        let Some(login) = found.or(logins.first()) else {
            return Verdict::Unknown;
        };
        let Some(key) = self.key(login, &password) else {
            return Verdict::Busy;
        };
        let is_right = || found.is_some() && self.right.borrow().contains(&key);
        if is_right() {
            return Verdict::Welcome;
        }
        let turn = tokio::time::timeout(PATIENCE, self.turns(root).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Verdict::Busy;
        };
        // The same login may have been looked at meanwhile.
        if is_right() {
            return Verdict::Welcome;
        }
        let hash = login.hash.clone();
        let verified = tokio::task::spawn_blocking(move || {
            let right = sites::verify(&password, &hash);
            // Whether the client has gone or not.
            drop(turn);
            right
        });
        if !verified.await.unwrap_or(false) || found.is_none() {
            return Verdict::Unknown;
        }
        let mut right = self.right.borrow_mut();
        if right.len() >= REMEMBERED {
            right.clear();
        }
        right.insert(key);
        Verdict::Welcome
    }

    fn turns(&self, root: &Path) -> Arc<Semaphore> {
        let mut turns = self.turns.borrow_mut();
        if turns.len() >= REMEMBERED {
            turns.retain(|_, turns| Arc::strong_count(turns) > 1);
        }
        let turns = turns.entry(root.to_owned());
        Arc::clone(turns.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
    }

    /// What is remembered of a password, which is neither it nor of use to anybody; none where
    /// the kernel has no randomness.
    fn key(&self, login: &Login, password: &str) -> Option<[u8; 32]> {
        let mut secret = self.secret.borrow_mut();
        let secret = match &*secret {
            Some(secret) => *secret,
            None => {
                let mut fresh = [0; 32];
                getrandom::fill(&mut fresh).ok()?;
                *secret.insert(fresh)
            }
        };
        let mut digest = Sha256::new();
        digest.update(secret);
        digest.update((login.hash.len() as u64).to_be_bytes());
        digest.update(&login.hash);
        digest.update(password);
        Some(digest.finalize().into())
    }
}

/// Name and password of a request (RFC 7617).
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[tokio::test]
    async fn only_who_knows_the_password_is_welcome() {
        let site = Site {
            logins: Some(vec![Login {
                name: "hong".to_owned(),
                hash: "$2y$05$JIRWtDAsEGm3KNuCL6VBnuPsXpBAqMRGFQWmnjg/9VmNK1upKUqCC".to_owned(),
            }]),
            ..Site::default()
        };
        let known = Logins::default();
        let check = async |site: &Site, said: &str, expected: Verdict| {
            let value = HeaderValue::from_str(said).unwrap();
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
            assert_eq!(
                known.check(Path::new("/a"), site, &headers).await,
                expected,
                "{said}"
            );
        };
        let basic = |words: &str| format!("basic {}", STANDARD.encode(words));
        check(&site, &basic("hong:passwort"), Verdict::Unknown).await;
        check(&site, &basic("kim:password"), Verdict::Unknown).await;
        assert!(known.right.borrow().is_empty());
        check(&site, &basic("hong:password"), Verdict::Welcome).await;
        assert_eq!(known.right.borrow().len(), 1);
        check(&site, &basic("hong:password"), Verdict::Welcome).await;
        check(&site, &basic("kim:password"), Verdict::Unknown).await;
        for odd in ["", "Basic", "Basic %%%", "Bearer x", "Basic aG9uZw=="] {
            check(&site, odd, Verdict::Unknown).await;
        }
        let nobody = HeaderMap::new();
        assert_eq!(
            known.check(Path::new("/a"), &site, &nobody).await,
            Verdict::Unknown
        );
        let open = Site::default();
        assert_eq!(
            known.check(Path::new("/a"), &open, &nobody).await,
            Verdict::Welcome
        );
        check(&open, &basic("hong:wrong"), Verdict::Welcome).await;
    }
}
