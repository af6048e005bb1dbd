//! Programs that log in, for users or for themselves.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ClientId, Timestamp};

/// A client of UAA's part.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Identity.
    pub id: ClientId,
    /// The name that it logs in by, unique on the platform.
    pub name: String,
    /// What people read of it.
    #[serde(default)]
    pub title: String,
    /// Its secrets as argon2id PHC strings: two while one takes the other's place, none for a
    /// program that cannot keep one.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// How it may get tokens.
    #[serde(default)]
    pub grant_types: Vec<String>,
    /// What tokens that it gets for users are good for at most; `*` stands for letters.
    #[serde(default)]
    pub scope: Vec<String>,
    /// What tokens that it gets for itself are good for.
    #[serde(default)]
    pub authorities: Vec<String>,
    /// Where users may be sent back to.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Scopes that users need not be asked about; `true` for all.
    #[serde(default)]
    pub autoapprove: Vec<String>,
    /// Seconds that its access tokens work, where that is not the platform's own time.
    #[serde(default)]
    pub access_seconds: Option<u64>,
    /// Seconds that its refresh tokens work.
    #[serde(default)]
    pub refresh_seconds: Option<u64>,
    /// Its own tokens of before this moment work no more.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("grant_types", &self.grant_types)
            .finish_non_exhaustive()
    }
}
