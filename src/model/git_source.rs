//! Where an app's code is kept, for those that are deployed from there.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{RegistryLogin, Timestamp, UserId};

/// A repository elsewhere from which an app is deployed when its host says that something was
/// pushed to it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitSource {
    /// Its address, without a name or a password.
    pub url: String,
    /// Who asks for it; none for anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<RegistryLogin>,
    /// What its host shows that it knows.
    pub secret: String,
    /// With whose rights the app is deployed: who set this.
    pub by: UserId,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

// The secret is nobody's to read.
impl fmt::Debug for GitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitSource")
            .field("url", &self.url)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}
