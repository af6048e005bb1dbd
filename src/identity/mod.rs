//! Users, passwords and tokens: UAA's part.
//!
//! A login makes a *session*: a stored [`RefreshToken`](crate::model::RefreshToken) whose
//! secret is kept as a digest only. Access tokens name their session and die with it, so
//! logging out, a new password and a deleted user take effect at once.

mod claims;
mod clients;
mod codes;
mod error;
mod key;
mod keyring;
mod lockout;
mod password;
mod session;
mod sign_on;

pub use claims::{AUDIENCE, Claims};
pub use clients::{CLI, Known, covers, limit};
pub use codes::Person;
pub use error::{IdentityError, LoginError};
pub use key::PublicKey;
pub use password::{Password, WeakPassword};
pub use session::{Login, Start, Tokens, end_sessions, end_sessions_of_client};
pub use sign_on::{Arrival, Departure, Provider, Return, SignOnError};

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    model::{Timestamp, User},
    store::{State, Store},
};

/// Where identity keeps what is its own, how long logins last, and who else vouches.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder of the signing key; made if it is not there.
    pub dir: PathBuf,
    /// How long tokens work.
    pub lifetimes: Lifetimes,
    /// Who else vouches for people.
    pub providers: Vec<Provider>,
}

/// How long tokens work, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// An access token. Clients renew it by themselves a minute before; an ended session ends
    /// it at once whatever this says.
    pub access: Duration,
    /// A session, with its refresh token.
    pub session: Duration,
}

impl Lifetimes {
    /// An hour, since an ended session ends its access tokens at once, and thirty days, UAA's
    /// default for the refresh tokens of command lines.
    pub const DEFAULT: Self = Self {
        access: Duration::from_secs(3600),
        session: Duration::from_secs(30 * 24 * 3600),
    };
}

/// Whoever calls with a token.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// The user, or the client as one.
    pub user: Arc<User>,
    /// What the token is good for at most; none for whatever the user may.
    pub limit: Option<Vec<String>>,
    /// What the token says.
    pub claims: Claims,
}

/// The handle on who people are; clones share it.
#[derive(Debug, Clone)]
pub struct Identity {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    key: keyring::Keyring,
    lifetimes: Lifetimes,
    hasher: password::Hasher,
    failures: lockout::Failures,
    codes: codes::Codes,
    sign_on: sign_on::SignOn,
}

impl Identity {
    /// The identities of `store`, with the signing key under `config.dir`, which is made on
    /// the first start (some 100 ms of computing).
    ///
    /// # Errors
    /// Where the key cannot be read, understood or made.
    pub fn open(config: &Config, store: Store) -> Result<Self, IdentityError> {
        let key = keyring::Keyring::open(&config.dir, config.lifetimes.session)?;
        let sign_on = sign_on::SignOn::new(config.providers.clone())?;
        Ok(Self::with_key(key, config.lifetimes, sign_on, store))
    }

    /// The identities of `store` with a key that nobody keeps; for tests of what stands above.
    ///
    /// # Errors
    /// Where no key can be made.
    pub fn ephemeral(store: Store) -> Result<Self, IdentityError> {
        let key = keyring::Keyring::ephemeral()?;
        let nobody = sign_on::SignOn::default();
        Ok(Self::with_key(key, Lifetimes::DEFAULT, nobody, store))
    }

    fn with_key(
        key: keyring::Keyring,
        lifetimes: Lifetimes,
        sign_on: sign_on::SignOn,
        store: Store,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                store,
                key,
                lifetimes,
                hasher: password::Hasher::new(),
                failures: lockout::Failures::default(),
                codes: codes::Codes::default(),
                sign_on,
            }),
        }
    }

    /// The user whose valid access token this is.
    #[must_use]
    pub fn verify(&self, state: &State, token: &str, now: Timestamp) -> Option<Arc<User>> {
        self.inspect(state, token, now).map(|(user, _)| user)
    }

    /// The user and the claims of a valid access token: signed by us, not expired, its
    /// session not ended, its user still there. A client with a token of its own is a user, too,
    /// whom the state does not know.
    #[must_use]
    pub fn inspect(
        &self,
        state: &State,
        token: &str,
        now: Timestamp,
    ) -> Option<(Arc<User>, Claims)> {
        self.bearer(state, token, now)
            .map(|bearer| (bearer.user, bearer.claims))
    }

    /// Whoever calls with this valid access token, and what for.
    #[must_use]
    pub fn bearer(&self, state: &State, token: &str, now: Timestamp) -> Option<Bearer> {
        let claims = self.shared.key.access_claims(token, now)?;
        let session = state.tokens.get(&claims.sid)?;
        let user = match claims.user_id {
            Some(id) if id == session.user => Arc::clone(state.users.get(&id)?),
            Some(_) => return None,
            None => Arc::new(clients::client_of(state, session.user)?),
        };
        Some(Bearer {
            user,
            limit: session.scope.clone(),
            claims,
        })
    }

    /// What others verify our tokens with: first with the key that signs now, then with those
    /// before it whose tokens may still be about.
    #[must_use]
    pub fn public_keys(&self) -> Vec<PublicKey> {
        self.shared.key.public()
    }

    /// Signs with a new key from now on. Tokens that others signed go on working.
    ///
    /// # Errors
    /// Where no key can be made or kept.
    pub async fn rotate_key(&self) -> Result<(), IdentityError> {
        let shared = Arc::clone(&self.shared);
        let rotated = tokio::task::spawn_blocking(move || shared.key.rotate()).await;
        rotated.map_err(|_| IdentityError::Generate)?
    }

    /// The password as it is stored: an argon2id PHC string.
    ///
    /// # Errors
    /// [`LoginError::Busy`] where too many are being computed.
    pub async fn hash(&self, password: Password) -> Result<String, LoginError> {
        self.shared.hasher.hash(password).await
    }

    /// Lets everybody try the password of `user` again, however often it was wrong.
    pub fn unlock(&self, user: &User) {
        self.shared.failures.clear(&user.username);
    }

    /// Whether `password` is that of `user`. Failures count as those of logins do.
    ///
    /// # Errors
    /// [`LoginError::Locked`] after too many failures, [`LoginError::Busy`] where too many
    /// passwords are being computed.
    pub async fn is_password_of(
        &self,
        user: &User,
        password: Password,
        client: IpAddr,
        now: Timestamp,
    ) -> Result<bool, LoginError> {
        let hash = user.password_hash.clone();
        let who = (user.username.as_str(), client);
        self.check(who, hash, password, now).await
    }

    /// Whether `password` belongs to `hash`, which is that of the user `name`, if there is one.
    async fn check(
        &self,
        (name, client): (&str, IpAddr),
        hash: Option<String>,
        password: Password,
        now: Timestamp,
    ) -> Result<bool, LoginError> {
        let failures = &self.shared.failures;
        if failures.is_locked(name, client, now) {
            return Err(LoginError::Locked);
        }
        tokio::time::sleep(failures.delay(name, now)).await;
        let turn = self.shared.hasher.turn().await?;
        // Of many attempts at once, those who waited must not slip past the limit.
        if failures.is_locked(name, client, now) {
            return Err(LoginError::Locked);
        }
        let matches = turn.verify(hash, password).await?;
        if matches {
            failures.forgive(name, client);
        } else {
            failures.count(name, client, now);
        }
        Ok(matches)
    }
}

#[cfg(test)]
mod tests;
