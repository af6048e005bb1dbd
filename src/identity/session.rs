//! Logging in, staying in, and logging out.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{
    Identity, LoginError, Password,
    claims::{Claims, REFRESH, RefreshClaims},
};
use crate::{
    model::{RefreshToken, Timestamp, TokenId, User, UserId},
    store::Tx,
};

/// Sessions of one user; past this the ones that end first make room. Scripts that log in
/// again and again would otherwise fill the store.
const MOST_SESSIONS: usize = 100;

/// A login as it comes in.
#[derive(Debug)]
pub struct Login<'a> {
    /// The user's name, whatever the case.
    pub username: &'a str,
    /// The identity provider that was asked for, if any.
    pub origin: Option<&'a str>,
    /// What was entered.
    pub password: Password,
    /// Where it was entered.
    pub client: IpAddr,
}

/// What a login is answered with.
#[derive(Clone)]
pub struct Tokens {
    /// Proves who calls.
    pub access: String,
    /// Gets the next access token.
    pub refresh: String,
    /// Seconds that `access` works.
    pub expires_in: u64,
    /// What `access` says.
    pub claims: Claims,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// The tokens of a new session. `issuer` is the address that the client used.
    ///
    /// # Errors
    /// [`LoginError::BadCredentials`], or [`LoginError::Locked`] after too many of those.
    pub async fn log_in(
        &self,
        login: Login<'_>,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Tokens, LoginError> {
        let state = self.shared.store.state();
        let user = state
            .user_by_name(login.username, login.origin.unwrap_or("uaa"))
            .cloned();
        let hash = user.as_ref().and_then(|user| user.password_hash.clone());
        let matches = self
            .check((login.username, login.client), hash, login.password, now)
            .await?;
        let user = user.filter(|_| matches).ok_or(LoginError::BadCredentials)?;

        let id = TokenId::random();
        let lifetimes = self.shared.lifetimes;
        let session_ms = lifetimes.session.as_secs().saturating_mul(1000);
        let expires_at = Timestamp::from_millis(now.millis().saturating_add(session_ms));
        let refresh = RefreshClaims {
            jti: format!("{id}-r"),
            sid: id,
            user_id: user.id,
            client_id: "cf".to_owned(),
            aud: vec![REFRESH.to_owned()],
            iat: now.seconds(),
            exp: expires_at.seconds(),
            nonce: uuid::Uuid::new_v4().simple().to_string(),
            revocable: true,
        };
        let refresh = self.sign(refresh).await?;
        let session = RefreshToken {
            id,
            user: user.id,
            digest: digest(&refresh),
            expires_at,
        };
        let checked = user.clone();
        self.shared
            .store
            .commit(move |tx| begin(tx, &checked, session, now))
            .await?;
        let claims = Claims::new(&user, id, issuer, now.seconds(), lifetimes.access, now);
        self.answer(claims, refresh).await
    }

    /// A new access token for the session of `refresh`, which stays the same: several
    /// commands of one user may run at once and must not lock each other out.
    ///
    /// # Errors
    /// [`LoginError::InvalidToken`].
    pub async fn refresh(
        &self,
        refresh: &str,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Tokens, LoginError> {
        let claims: RefreshClaims = self
            .shared
            .key
            .read(refresh, REFRESH)
            .ok_or(LoginError::InvalidToken)?;
        let state = self.shared.store.state();
        let user = state
            .tokens
            .get(&claims.sid)
            .filter(|session| session.expires_at > now)
            .filter(|session| {
                let digest = digest(refresh);
                session.digest.as_bytes().ct_eq(digest.as_bytes()).into()
            })
            .and_then(|session| state.users.get(&session.user))
            .ok_or(LoginError::InvalidToken)?;
        let life = self.shared.lifetimes.access;
        let claims = Claims::new(user, claims.sid, issuer, claims.iat, life, now);
        self.answer(claims, refresh.to_owned()).await
    }

    async fn answer(&self, claims: Claims, refresh: String) -> Result<Tokens, LoginError> {
        Ok(Tokens {
            access: self.sign(claims.clone()).await?,
            refresh,
            // A second less than the truth, so that no client comes a moment too late.
            expires_in: self.shared.lifetimes.access.as_secs().saturating_sub(1),
            claims,
        })
    }

    /// Signs away from the runtime's tasks: an RSA signature takes a millisecond.
    async fn sign(
        &self,
        claims: impl serde::Serialize + Send + 'static,
    ) -> Result<String, LoginError> {
        let shared = std::sync::Arc::clone(&self.shared);
        let signed = tokio::task::spawn_blocking(move || shared.key.sign(&claims)).await;
        Ok(signed.map_err(|_| LoginError::Busy)??)
    }

    /// Ends the session that `jti` names, be it the access or the refresh token's. `access`
    /// must be of that session or of an admin; since clients revoke both tokens one after the
    /// other, the second call comes with a token whose session has ended, and passes.
    ///
    /// # Errors
    /// [`LoginError::InvalidToken`] where `access` does not allow it.
    pub async fn revoke(&self, access: &str, jti: &str, now: Timestamp) -> Result<(), LoginError> {
        let claims = self
            .shared
            .key
            .access_claims(access, now)
            .ok_or(LoginError::InvalidToken)?;
        // A guid's 36 characters come first in both kinds of `jti`.
        let session: TokenId = jti
            .get(..36)
            .and_then(|text| text.parse().ok())
            .ok_or(LoginError::InvalidToken)?;
        self.shared
            .store
            .commit(move |tx| {
                let by_admin = tx.tokens.contains_key(&claims.sid)
                    && tx.users.get(&claims.user_id).is_some_and(|user| user.admin);
                if session != claims.sid && !by_admin {
                    return Err(LoginError::InvalidToken);
                }
                tx.delete(session);
                Ok(())
            })
            .await
    }
}

/// Ends every session of `user`.
pub fn end_sessions(tx: &mut Tx, user: UserId) {
    let sessions: Vec<_> = tx.tokens_of(user).collect();
    for session in sessions {
        tx.delete(session);
    }
}

fn begin(tx: &mut Tx, user: &User, new: RefreshToken, now: Timestamp) -> Result<(), LoginError> {
    // The password was checked against an older state than this one.
    let same = tx
        .users
        .get(&user.id)
        .is_some_and(|found| found.password_hash == user.password_hash);
    if !same {
        return Err(LoginError::BadCredentials);
    }
    let mut sessions: Vec<_> = tx
        .tokens_of(user.id)
        .filter_map(|id| tx.tokens.get(&id))
        .map(|session| (session.expires_at, session.id))
        .collect();
    sessions.sort_unstable();
    let surplus = (sessions.len() + 1).saturating_sub(MOST_SESSIONS);
    for (n, (expires_at, id)) in sessions.into_iter().enumerate() {
        if n < surplus || expires_at <= now {
            tx.delete(id);
        }
    }
    tx.put(new);
    Ok(())
}

fn digest(token: &str) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(token.as_bytes()) {
        use std::fmt::Write as _;
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
