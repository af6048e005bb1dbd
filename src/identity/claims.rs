//! What our tokens say.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::covers;
use crate::model::{Timestamp, TokenId, User, UserId};

/// Whom access tokens are for; refresh tokens are not, so one cannot pass for the other.
pub const AUDIENCE: &str = "cloud_controller";
/// How a client gets a token of its own.
pub(super) const CLIENT_CREDENTIALS: &str = "client_credentials";
/// Whom refresh tokens are for.
pub(super) const REFRESH: &str = "pastina.refresh";

/// The claims of an access token, under UAA's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The token's own name; starts with that of the session.
    pub jti: String,
    /// The session, which is also its refresh token's identity.
    pub sid: TokenId,
    /// The user's guid, or the client's name in a token of its own.
    pub sub: String,
    /// The user; none in a client's own token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// By what name they logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// Their address; the user name where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Which identity provider knows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The client program.
    pub client_id: String,
    /// The client program.
    pub cid: String,
    /// The client program.
    pub azp: String,
    /// How the session began.
    pub grant_type: String,
    /// What the token is good for.
    pub scope: Vec<String>,
    /// The same again in a client's own token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<Vec<String>>,
    /// Whom it is for.
    pub aud: Vec<String>,
    /// Who issued it.
    pub iss: String,
    /// UAA's zone.
    pub zid: String,
    /// When it was issued, in seconds since the epoch.
    pub iat: u64,
    /// When it stops working.
    pub exp: u64,
    /// When the password was checked.
    pub auth_time: u64,
    /// Clients may revoke it when they log out.
    pub revocable: bool,
}

/// What a fresh token is made of, beside whom it is for.
#[derive(Debug)]
pub(super) struct Issue<'a> {
    /// The address that the client used.
    pub(super) issuer: &'a str,
    /// The client program.
    pub(super) client: &'a str,
    /// How the session began.
    pub(super) grant: &'a str,
    /// What it is good for at most; none for everything.
    pub(super) limit: Option<&'a [String]>,
    /// The groups that the user is in.
    pub(super) groups: Vec<String>,
    /// When who they are was proved, in seconds since the epoch.
    pub(super) since: u64,
    /// How long it works.
    pub(super) life: Duration,
    /// Now.
    pub(super) now: Timestamp,
}

impl Claims {
    /// The claims of a fresh token of `user` in session `sid`.
    pub(super) fn new(user: &User, sid: TokenId, issue: Issue<'_>) -> Self {
        let own = issue.grant == CLIENT_CREDENTIALS;
        let mut scope: Vec<String> = if own {
            issue.limit.unwrap_or_default().to_vec()
        } else {
            let usual = scopes(user).iter().map(ToString::to_string);
            let all = usual.chain(issue.groups);
            let fits = |scope: &String| {
                let limit = issue.limit;
                limit.is_none_or(|limit| limit.iter().any(|pattern| covers(pattern, scope)))
            };
            all.filter(fits).collect()
        };
        scope.dedup();
        // Whom a token is for is told by the first parts of its scopes, as UAA has it.
        let mut aud: Vec<String> = scope
            .iter()
            .filter_map(|scope| scope.rsplit_once('.'))
            .map(|(first, _)| first.to_owned())
            .chain([
                issue.client.to_owned(),
                AUDIENCE.to_owned(),
                "openid".to_owned(),
            ])
            .collect();
        aud.sort();
        aud.dedup();
        let person = |text: &str| (!own).then(|| text.to_owned());
        Self {
            jti: format!("{sid}-{:08x}", getrandom::u32().unwrap_or_default()),
            sid,
            sub: if own {
                issue.client.to_owned()
            } else {
                user.id.to_string()
            },
            user_id: (!own).then_some(user.id),
            user_name: person(&user.username),
            email: person(user.email()),
            origin: person(&user.origin),
            client_id: issue.client.to_owned(),
            cid: issue.client.to_owned(),
            azp: issue.client.to_owned(),
            grant_type: issue.grant.to_owned(),
            authorities: own.then(|| scope.clone()),
            scope,
            aud,
            iss: format!("{}/oauth/token", issue.issuer),
            zid: "uaa".to_owned(),
            iat: issue.now.seconds(),
            exp: issue.now.seconds() + issue.life.as_secs(),
            auth_time: issue.since,
            revocable: true,
        }
    }
}

/// What `user`'s tokens are good for.
fn scopes(user: &User) -> &'static [&'static str] {
    if user.admin {
        &[
            "openid",
            "uaa.user",
            "password.write",
            "cloud_controller.read",
            "cloud_controller.write",
            "cloud_controller.admin",
            "scim.read",
            "scim.write",
            "network.admin",
            "network.write",
            "routing.router_groups.read",
            "doppler.firehose",
        ]
    } else {
        &[
            "openid",
            "uaa.user",
            "password.write",
            "cloud_controller.read",
            "cloud_controller.write",
            "network.write",
        ]
    }
}

/// The claims of a refresh token. It is a JWT because clients read its `jti` to revoke it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RefreshClaims {
    pub(super) jti: String,
    pub(super) sid: TokenId,
    pub(super) user_id: UserId,
    pub(super) client_id: String,
    pub(super) aud: Vec<String>,
    pub(super) iat: u64,
    pub(super) exp: u64,
    /// Random, so that nobody can compute the token, not even who knows all the rest.
    pub(super) nonce: String,
    pub(super) revocable: bool,
}
