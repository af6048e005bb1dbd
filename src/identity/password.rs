//! Passwords: what is allowed, and hashing without giving anything away by time.

use std::{fmt, sync::Arc, time::Duration};

use argon2::{
    Argon2, PasswordHasher as _, PasswordVerifier as _, password_hash::phc::PasswordHash,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::LoginError;

/// Shortest password that may be set, in characters (NIST SP 800-63B, 5.1.1.2).
const SHORTEST: usize = 8;
/// Longest, which bounds the work of hashing (UAA's own limit).
const LONGEST: usize = 255;
/// Hashes computed at once: each takes 19 MiB of memory and some 20 ms of a core, and the
/// cores are for the apps.
const AT_ONCE: usize = 2;
/// How long a login waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is compared with where there is no user, so that it takes as long as where there is
/// one. It has the parameters of [`Argon2::default`] and belongs to no password.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdC1vZi1uby1vbmUtMQ\
                      $AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Why a password may not be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Password must be between {SHORTEST} and {LONGEST} characters in length.")]
pub struct WeakPassword;

/// A password in the clear, which never shows itself.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Any password, as it comes from a login.
    #[must_use]
    pub fn entered(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A password that may be set.
    ///
    /// # Errors
    /// [`WeakPassword`] says what would be right.
    pub fn parse(text: impl Into<String>) -> Result<Self, WeakPassword> {
        let text = text.into();
        if (SHORTEST..=LONGEST).contains(&text.chars().count()) {
            Ok(Self(text))
        } else {
            Err(WeakPassword)
        }
    }

    /// A fresh random password of 128 bits.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// The text itself, for the one place that has to write it down.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Computes hashes, a few at a time, away from the tasks of the runtime.
#[derive(Debug)]
pub(super) struct Hasher {
    turns: Arc<Semaphore>,
}

impl Hasher {
    pub(super) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    pub(super) async fn hash(&self, password: Password) -> Result<String, LoginError> {
        let turn = self.turn().await?;
        turn.take(move || {
            Argon2::default()
                .hash_password(password.0.as_bytes())
                .map(|hash| hash.to_string())
        })
        .await?
        .map_err(|_| LoginError::Busy)
    }

    /// Waits for one of the few turns.
    pub(super) async fn turn(&self) -> Result<Turn, LoginError> {
        let turns = Arc::clone(&self.turns);
        tokio::time::timeout(PATIENCE, turns.acquire_owned())
            .await
            .ok()
            .and_then(Result::ok)
            .map(|permit| Turn { permit })
            .ok_or(LoginError::Busy)
    }
}

/// The right to compute one hash.
#[derive(Debug)]
pub(super) struct Turn {
    permit: OwnedSemaphorePermit,
}

impl Turn {
    /// Whether `password` belongs to `hash`; where there is none it takes as long to say no.
    pub(super) async fn verify(
        self,
        hash: Option<String>,
        password: Password,
    ) -> Result<bool, LoginError> {
        self.take(move || {
            let there = hash.is_some();
            // No password that may be set is longer; this bounds the work for others' text.
            let short = password.0.len() <= LONGEST * 4;
            let hash = hash.as_deref().unwrap_or(NOBODY);
            let matches = short
                && PasswordHash::new(hash).is_ok_and(|hash| {
                    Argon2::default()
                        .verify_password(password.0.as_bytes(), &hash)
                        .is_ok()
                });
            matches && there
        })
        .await
    }

    async fn take<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LoginError> {
        tokio::task::spawn_blocking(move || {
            // Held until the work ends, even where the client no longer waits for it.
            let done = work();
            drop(self.permit);
            done
        })
        .await
        .map_err(|_| LoginError::Busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_hash_takes_as_long_as_anybodys() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let somebody = Argon2::default().hash_password(b"secret").unwrap();
        assert_eq!(nobody.algorithm, somebody.algorithm);
        assert_eq!(nobody.version, somebody.version);
        assert_eq!(nobody.params, somebody.params);
        assert_eq!(
            nobody.hash.unwrap().as_bytes().len(),
            somebody.hash.unwrap().as_bytes().len()
        );
    }

    #[tokio::test]
    async fn a_password_is_known_again_and_another_is_not() {
        let hasher = Hasher::new();
        let hash = hasher
            .hash(Password::entered("correct horse"))
            .await
            .unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        let check = async |hash: Option<&String>, text: &str| {
            let password = Password::entered(text);
            let turn = hasher.turn().await.unwrap();
            turn.verify(hash.cloned(), password).await.unwrap()
        };
        assert!(check(Some(&hash), "correct horse").await);
        assert!(!check(Some(&hash), "correct horsf").await);
        assert!(!check(Some(&hash), "").await);
        assert!(!check(None, "correct horse").await);
    }

    #[test]
    fn a_password_never_shows_itself() {
        let password = Password::parse("long enough").unwrap();
        assert_eq!(format!("{password:?}"), "Password(..)");
        assert!(Password::parse("short").is_err());
    }
}
