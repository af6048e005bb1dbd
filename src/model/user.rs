//! Users and what proves who they are.

use serde::{Deserialize, Serialize};

use super::{Metadata, Timestamp, TokenId, UserId, Username};

/// A person or a client that can log in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Identity.
    pub id: UserId,
    /// Unique in its origin, whatever the case.
    pub username: Username,
    /// The identity provider that knows the user; `uaa` for the platform's own.
    pub origin: String,
    /// Who it is at that provider (SCIM's `externalId`); none for the platform's own users, and
    /// until somebody has signed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The password as an argon2id PHC string; none where another provider checks it.
    pub password_hash: Option<String>,
    /// May do everything (`cloud_controller.admin`).
    pub admin: bool,
    /// Which parts of the platform know them.
    #[serde(default, skip_serializing_if = "KnownTo::is_both")]
    pub known_to: KnownTo,
    /// What else UAA's part knows of them.
    #[serde(default, skip_serializing_if = "Profile::is_empty")]
    pub profile: Profile,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Which parts of the platform know a user. As in Cloud Foundry they learn of one apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KnownTo {
    /// UAA's part and the control API.
    #[default]
    Both,
    /// UAA's part alone, until the control API is told of them or they log in.
    Uaa,
    /// The control API alone, which was told no more than a guid; that stands for a name, too.
    Api,
}

impl KnownTo {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_both(&self) -> bool {
        *self == Self::Both
    }
}

/// What people say of themselves, and what UAA's part says of them (SCIM 1.1, User Schema).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// The given name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    /// The family name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    /// The address; none where it is the user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Whether an admin has shut them out.
    pub inactive: bool,
    /// Grows with every change through SCIM.
    pub version: u32,
}

impl Profile {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl User {
    /// The name to log in by; none of those who are but a guid.
    #[must_use]
    pub fn name(&self) -> Option<&Username> {
        (self.known_to != KnownTo::Api).then_some(&self.username)
    }

    /// Where mail reaches them, as far as that is known.
    #[must_use]
    pub fn email(&self) -> &str {
        self.profile.email.as_deref().unwrap_or(&self.username)
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("username", &self.username)
            .field("origin", &self.origin)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

/// A refresh token that was handed out. The token itself is not kept, only its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshToken {
    /// Identity; the token's `jti`.
    pub id: TokenId,
    /// Whose it is.
    pub user: UserId,
    /// SHA-256 of the secret part, in hexadecimal.
    pub digest: String,
    /// The client that it was handed to; none for the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What tokens of the session are good for at most; none for everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Vec<String>>,
    /// How the session began; none for a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// When it stops working.
    pub expires_at: Timestamp,
}
