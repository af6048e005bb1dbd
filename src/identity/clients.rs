//! Programs that log in: who they are, and what they get tokens for.

use std::net::IpAddr;

use super::{Identity, LoginError, Password, Start, Tokens};
use crate::{
    model::{Client, ClientId, KnownTo, Metadata, Profile, Timestamp, User, UserId, Username},
    store::State,
};

/// The command line, which every platform knows. It has no secret.
pub const CLI: &str = "cf";

/// A program that has proved who it is.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// What an admin said of it; none of the command line.
    pub record: Option<Client>,
}

impl Known {
    /// Whether it may get tokens in this way.
    #[must_use]
    pub fn may_use(&self, grant: &str) -> bool {
        match &self.record {
            Some(client) => client.grant_types.iter().any(|known| known == grant),
            None => ["password", "refresh_token"].contains(&grant),
        }
    }

    /// What tokens that it gets for users are good for at most; none for everything.
    #[must_use]
    pub fn scope(&self) -> Option<&[String]> {
        self.record.as_ref().map(|client| client.scope.as_slice())
    }
}

impl Identity {
    /// The client with this name and secret.
    ///
    /// # Errors
    /// [`LoginError::BadClient`]; [`LoginError::Locked`] after too many of those from `place`.
    pub async fn client(
        &self,
        (name, secret): (&str, &str),
        place: IpAddr,
        now: Timestamp,
    ) -> Result<Known, LoginError> {
        let state = self.shared.store.state();
        let Some(client) = state.client_by_name(name).cloned() else {
            if name == CLI && secret.is_empty() {
                return Ok(Known {
                    name: name.to_owned(),
                    record: None,
                });
            }
            // As slow as where there is one: who guesses must not learn which clients there are.
            let turn = self.shared.hasher.turn().await?;
            turn.verify(None, Password::entered(secret)).await?;
            return Err(LoginError::BadClient);
        };
        let right = if client.secrets.is_empty() {
            secret.is_empty()
        } else {
            self.is_secret(&client, secret, place, now).await?
        };
        if !right {
            return Err(LoginError::BadClient);
        }
        Ok(Known {
            name: client.name.clone(),
            record: Some(client),
        })
    }

    async fn is_secret(
        &self,
        client: &Client,
        secret: &str,
        place: IpAddr,
        now: Timestamp,
    ) -> Result<bool, LoginError> {
        // Apart from users' names, which have no space at their start.
        let name = format!(" {}", client.name);
        let failures = &self.shared.failures;
        if failures.is_locked(&name, place, now) {
            return Err(LoginError::Locked);
        }
        for hash in &client.secrets {
            let turn = self.shared.hasher.turn().await?;
            let secret = Password::entered(secret);
            if turn.verify(Some(hash.clone()), secret).await? {
                failures.forgive(&name, place);
                return Ok(true);
            }
        }
        failures.count(&name, place, now);
        Ok(false)
    }

    /// A token for the client itself, good for what of its authorities is asked for.
    ///
    /// # Errors
    /// Where it may not have one, or nothing of what is asked for.
    pub async fn client_token(
        &self,
        client: &Known,
        scope: Option<&str>,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Tokens, LoginError> {
        let record = client.record.as_ref().ok_or(LoginError::BadClient)?;
        let scope = narrowed(&record.authorities, scope).ok_or(LoginError::NoScope)?;
        let user = user_of(record).ok_or(LoginError::BadClient)?;
        let start = Start {
            client: &client.name,
            scope: Some(scope),
            grant: "client_credentials",
            access_seconds: record.access_seconds,
            refresh_seconds: None,
        };
        self.start(&user, start, issuer, now).await
    }
}

/// What of `allowed` is `asked` for, words with spaces between; none where nothing is.
fn narrowed(allowed: &[String], asked: Option<&str>) -> Option<Vec<String>> {
    let Some(asked) = asked.filter(|asked| !asked.trim().is_empty()) else {
        return Some(allowed.to_vec());
    };
    let found: Vec<String> = asked
        .split_whitespace()
        .filter(|scope| allowed.iter().any(|known| known == scope))
        .map(ToOwned::to_owned)
        .collect();
    (!found.is_empty()).then_some(found)
}

/// What a token for a user may be good for: what the client may, of that what is asked for; none
/// for everything.
#[must_use]
pub fn limit(client: &Known, asked: Option<&str>) -> Option<Vec<String>> {
    let asked: Option<Vec<String>> = asked
        .filter(|asked| !asked.trim().is_empty())
        .map(|asked| asked.split_whitespace().map(ToOwned::to_owned).collect());
    match (client.scope(), asked) {
        (None, asked) => asked,
        (Some(allowed), None) => Some(allowed.to_vec()),
        (Some(allowed), Some(asked)) => Some(
            asked
                .into_iter()
                .filter(|scope| allowed.iter().any(|pattern| covers(pattern, scope)))
                .collect(),
        ),
    }
}

/// Whether a scope of a client, in which `*` stands for letters, is or covers `scope`.
#[must_use]
pub fn covers(pattern: &str, scope: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == scope,
        Some((start, rest)) => scope.strip_prefix(start).is_some_and(|after| {
            (0..=after.len())
                .filter(|at| after.is_char_boundary(*at))
                .any(|at| covers(rest, &after[at..]))
        }),
    }
}

/// The client as the one who calls with a token of its own.
pub(super) fn user_of(client: &Client) -> Option<User> {
    Some(User {
        id: UserId::from_uuid(client.id.uuid()),
        username: Username::parse(client.name.clone()).ok()?,
        origin: "client".to_owned(),
        external_id: None,
        known_to: KnownTo::default(),
        password_hash: None,
        admin: client
            .authorities
            .iter()
            .any(|scope| scope == crate::model::ADMIN),
        profile: Profile::default(),
        metadata: Metadata::default(),
        created_at: client.created_at,
        updated_at: client.updated_at,
    })
}

/// The client whose own session this user's id stands for.
pub(super) fn client_of(state: &State, user: UserId) -> Option<User> {
    let client = state.clients.get(&ClientId::from_uuid(user.uuid()))?;
    user_of(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_narrowed_and_never_widened() {
        let allowed = ["a".to_owned(), "b".to_owned()];
        let check = |asked: Option<&str>, expected: Option<&[&str]>| {
            let got = narrowed(&allowed, asked);
            let expected = expected.map(|words| words.iter().map(ToString::to_string).collect());
            assert_eq!(got, expected, "{asked:?}");
        };
        check(None, Some(&["a", "b"]));
        check(Some(" "), Some(&["a", "b"]));
        check(Some("b c"), Some(&["b"]));
        check(Some("c"), None);
    }

    #[test]
    fn stars_stand_for_letters() {
        for (pattern, scope, expected) in [
            ("openid", "openid", true),
            ("openid", "openid2", false),
            ("cloud_controller.*", "cloud_controller.read", true),
            ("*.read", "cloud_controller.read", true),
            ("*.read", "cloud_controller.reader", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "acb", false),
            ("*", "", true),
        ] {
            assert_eq!(covers(pattern, scope), expected, "{pattern} {scope}");
        }
    }
}
