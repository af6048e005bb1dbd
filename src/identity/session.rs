//! Logging in, staying in, and logging out.

use std::{net::IpAddr, time::Duration};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{
    CLI, Identity, Known, LoginError, Password,
    claims::{CLIENT_CREDENTIALS, Claims, Issue, REFRESH, RefreshClaims},
};
use crate::{
    model::{ADMIN, KnownTo, RefreshToken, Timestamp, TokenId, User, UserId},
    store::{State, Tx},
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

/// How a session begins.
#[derive(Debug, Clone)]
pub struct Start<'a> {
    /// The client that the tokens are handed to.
    pub client: &'a str,
    /// What they are good for at most; none for everything.
    pub scope: Option<Vec<String>>,
    /// How they are had.
    pub grant: &'a str,
    /// Seconds that access tokens work, where it is not the usual time.
    pub access_seconds: Option<u64>,
    /// Seconds that the session lasts, where it is not the usual time.
    pub refresh_seconds: Option<u64>,
}

impl<'a> Start<'a> {
    /// A session for `client`, limited to what it may and to what is `asked` for.
    #[must_use]
    pub fn new(client: &'a Known, grant: &'a str, asked: Option<&str>) -> Self {
        let record = client.record.as_ref();
        Self {
            client: &client.name,
            scope: super::limit(client, asked),
            grant,
            access_seconds: record.and_then(|client| client.access_seconds),
            refresh_seconds: record.and_then(|client| client.refresh_seconds),
        }
    }
}

impl Start<'_> {
    /// The same session, good for nothing beside `scopes`.
    #[must_use]
    pub fn within(mut self, scopes: Vec<String>) -> Self {
        let mut scopes = scopes;
        if let Some(limit) = &self.scope {
            scopes.retain(|scope| limit.iter().any(|pattern| super::covers(pattern, scope)));
        }
        self.scope = Some(scopes);
        self
    }
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
        start: Start<'_>,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Tokens, LoginError> {
        let user = self.authenticate(login, now).await?;
        self.start(&user, start, issuer, now).await
    }

    /// Whose name and password these are.
    ///
    /// # Errors
    /// As [`Identity::log_in`].
    pub async fn authenticate(&self, login: Login<'_>, now: Timestamp) -> Result<User, LoginError> {
        let state = self.shared.store.state();
        let user = state
            .user_by_name(login.username, login.origin.unwrap_or("uaa"))
            .cloned();
        let hash = user.as_ref().and_then(|user| user.password_hash.clone());
        let matches = self
            .check((login.username, login.client), hash, login.password, now)
            .await?;
        user.filter(|user| matches && !user.profile.inactive)
            .ok_or(LoginError::BadCredentials)
    }

    /// The tokens of a new session of `user`, who has proved who they are.
    ///
    /// # Errors
    /// Where the user or their password has changed meanwhile.
    pub async fn start(
        &self,
        user: &User,
        start: Start<'_>,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Tokens, LoginError> {
        let id = TokenId::random();
        let lifetimes = self.shared.lifetimes;
        let own = start.grant == CLIENT_CREDENTIALS;
        let life = start
            .access_seconds
            .map_or(lifetimes.access, Duration::from_secs);
        // A client asks for its next token as it did for this one.
        let session = match start.refresh_seconds {
            _ if own => life,
            Some(seconds) => Duration::from_secs(seconds),
            None => lifetimes.session,
        };
        let session_ms = session.as_secs().saturating_mul(1000);
        let expires_at = Timestamp::from_millis(now.millis().saturating_add(session_ms));
        let refresh = RefreshClaims {
            jti: format!("{id}-r"),
            sid: id,
            user_id: user.id,
            client_id: start.client.to_owned(),
            aud: vec![REFRESH.to_owned()],
            iat: now.seconds(),
            exp: expires_at.seconds(),
            nonce: uuid::Uuid::new_v4().simple().to_string(),
            revocable: true,
        };
        let refresh = if own {
            String::new()
        } else {
            self.sign(refresh).await?
        };
        let session = RefreshToken {
            id,
            user: user.id,
            digest: digest(&refresh),
            client: (start.client != CLI).then(|| start.client.to_owned()),
            scope: start.scope,
            grant: (start.grant != "password").then(|| start.grant.to_owned()),
            expires_at,
        };
        let checked = user.clone();
        let kept = session.clone();
        self.shared
            .store
            .commit(move |tx| begin(tx, &checked, kept, now))
            .await?;
        let state = self.shared.store.state();
        let claims = claims(&state, user, &session, issuer, (now.seconds(), life), now);
        self.answer(claims, refresh, life).await
    }

    /// Whom one of our own access tokens speaks of where it is shown to `client` as an assertion
    /// (RFC 7523, 3), and the scopes that it is good for: more is not to be had for it. None
    /// where it is not valid or not meant for that client.
    #[must_use]
    pub fn asserted(
        &self,
        assertion: &str,
        client: &Known,
        issuer: &str,
        now: Timestamp,
    ) -> Option<(User, Vec<String>)> {
        let state = self.shared.store.state();
        let bearer = self.bearer(&state, assertion, now)?;
        let endpoint = format!("{issuer}/oauth/token");
        let for_us = |aud: &String| *aud == client.name || *aud == endpoint;
        let claims = bearer.claims;
        let good = claims.user_id.is_some() && claims.aud.iter().any(for_us);
        good.then(|| (User::clone(&bearer.user), claims.scope))
    }

    /// A new access token for the session of `refresh`, which stays the same: several
    /// commands of one user may run at once and must not lock each other out.
    ///
    /// # Errors
    /// [`LoginError::InvalidToken`].
    pub async fn refresh(
        &self,
        refresh: &str,
        client: &Known,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Tokens, LoginError> {
        let old: RefreshClaims = self
            .shared
            .key
            .read(refresh, REFRESH)
            .ok_or(LoginError::InvalidToken)?;
        let state = self.shared.store.state();
        let session = state
            .tokens
            .get(&old.sid)
            .filter(|session| session.expires_at > now)
            .filter(|session| session.client.as_deref().unwrap_or(CLI) == client.name)
            .filter(|session| {
                let digest = digest(refresh);
                session.digest.as_bytes().ct_eq(digest.as_bytes()).into()
            })
            .ok_or(LoginError::InvalidToken)?;
        let user = state.users.get(&session.user);
        let user = user.ok_or(LoginError::InvalidToken)?;
        let seconds = client
            .record
            .as_ref()
            .and_then(|client| client.access_seconds);
        let life = seconds.map_or(self.shared.lifetimes.access, Duration::from_secs);
        let claims = claims(&state, user, session, issuer, (old.iat, life), now);
        self.answer(claims, refresh.to_owned(), life).await
    }

    async fn answer(
        &self,
        claims: Claims,
        refresh: String,
        life: Duration,
    ) -> Result<Tokens, LoginError> {
        Ok(Tokens {
            access: self.sign(claims.clone()).await?,
            refresh,
            // A second less than the truth, so that no client comes a moment too late.
            expires_in: life.as_secs().saturating_sub(1),
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
                let live = tx.tokens.get(&claims.sid).map(|session| session.user);
                let user = claims.user_id.filter(|id| live == Some(*id));
                let user = user.and_then(|id| tx.users.get(&id));
                let by_admin = user.is_some_and(|user| user.admin)
                    || live.is_some() && claims.authorities.iter().flatten().any(|s| s == ADMIN);
                if session != claims.sid && !by_admin {
                    return Err(LoginError::InvalidToken);
                }
                tx.delete(session);
                Ok(())
            })
            .await
    }
}

/// The claims of a fresh access token of `session`, which began at `since` (in seconds).
fn claims(
    state: &State,
    user: &User,
    session: &RefreshToken,
    issuer: &str,
    (since, life): (u64, Duration),
    now: Timestamp,
) -> Claims {
    let groups = state.groups_of(user.id).map(|group| group.name.clone());
    let issue = Issue {
        issuer,
        client: session.client.as_deref().unwrap_or(CLI),
        grant: session.grant.as_deref().unwrap_or("password"),
        limit: session.scope.as_deref(),
        groups: groups.collect(),
        since,
        life,
        now,
    };
    Claims::new(user, session.id, issue)
}

/// Ends every session that was handed to the client with this name, its own among them.
pub fn end_sessions_of_client(tx: &mut Tx, name: &str) {
    let sessions = tx.tokens.values();
    let ended: Vec<_> = sessions
        .filter(|session| session.client.as_deref().unwrap_or(CLI) == name)
        .map(|session| session.id)
        .collect();
    for session in ended {
        tx.delete(session);
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
    // Who it is was checked against an older state than this one.
    let known = tx.users.get(&user.id);
    let same = known
        .is_some_and(|found| found.password_hash == user.password_hash && !found.profile.inactive);
    let own = new.grant.as_deref() == Some(CLIENT_CREDENTIALS)
        && super::clients::client_of(tx, user.id).is_some();
    if !same && !own {
        return Err(LoginError::BadCredentials);
    }
    if let Some(found) = known.filter(|found| found.known_to == KnownTo::Uaa) {
        // Who comes with a token of their own is known to the control API.
        let found = User {
            known_to: KnownTo::Both,
            ..User::clone(found)
        };
        tx.put(found);
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
