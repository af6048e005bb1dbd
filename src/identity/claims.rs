//! What our tokens say.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Timestamp, TokenId, User, UserId};

/// Whom access tokens are for; refresh tokens are not, so one cannot pass for the other.
pub const AUDIENCE: &str = "cloud_controller";
/// Whom refresh tokens are for.
pub(super) const REFRESH: &str = "pastina.refresh";

/// The claims of an access token, under UAA's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The token's own name; starts with that of the session.
    pub jti: String,
    /// The session, which is also its refresh token's identity.
    pub sid: TokenId,
    /// The user again, as JWT names subjects.
    pub sub: UserId,
    /// The user.
    pub user_id: UserId,
    /// By what name they logged in.
    pub user_name: String,
    /// Their address; the user name where none is known.
    pub email: String,
    /// Which identity provider knows them.
    pub origin: String,
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

impl Claims {
    /// The claims of a fresh token of `user` in session `sid`.
    pub(super) fn new(
        user: &User,
        sid: TokenId,
        issuer: &str,
        since: u64,
        life: Duration,
        now: Timestamp,
    ) -> Self {
        Self {
            jti: format!("{sid}-{:08x}", getrandom::u32().unwrap_or_default()),
            sid,
            sub: user.id,
            user_id: user.id,
            user_name: user.username.to_string(),
            email: user.username.to_string(),
            origin: user.origin.clone(),
            client_id: "cf".to_owned(),
            cid: "cf".to_owned(),
            azp: "cf".to_owned(),
            grant_type: "password".to_owned(),
            scope: scopes(user).iter().map(ToString::to_string).collect(),
            aud: ["cf", AUDIENCE, "openid", "password", "uaa"]
                .map(str::to_owned)
                .to_vec(),
            iss: format!("{issuer}/oauth/token"),
            zid: "uaa".to_owned(),
            iat: now.seconds(),
            exp: now.seconds() + life.as_secs(),
            auth_time: since,
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
