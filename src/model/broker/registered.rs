//! A registered broker.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Actor, BrokerId, JobId, Metadata, SpaceId, Timestamp};

/// A service broker: somebody's server that makes service instances on request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broker {
    /// Identity.
    pub id: BrokerId,
    /// Unique among all brokers.
    pub name: String,
    /// Where it is, without a slash at its end.
    pub url: String,
    /// How we log in to it.
    pub login: BrokerLogin,
    /// The only space that it serves; none for all.
    #[serde(default)]
    pub space: Option<SpaceId>,
    /// Whether its address is an admin's word, so that it may be on this machine or on a
    /// private network; else it is asked on the internet alone.
    #[serde(default)]
    pub vouched: bool,
    /// How it stands.
    pub state: BrokerState,
    /// What is to be done with its catalog.
    #[serde(default)]
    pub sync: Option<BrokerSync>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// How we log in to a broker (HTTP Basic).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerLogin {
    /// The user's name at the broker.
    pub username: String,
    /// The password.
    pub password: String,
}

// The password is nobody's to read.
impl fmt::Debug for BrokerLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerLogin")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// How a broker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrokerState {
    /// Its catalog is being read.
    Synchronizing,
    /// Its catalog was read.
    Available,
    /// Its catalog could not be read.
    Failed,
}

/// The reading of a catalog that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerSync {
    /// Where the outcome is told.
    pub job: JobId,
    /// Who asked.
    pub by: Actor,
    /// What the broker is changed to if its catalog can be read; none where it is new.
    #[serde(default)]
    pub change: Option<BrokerChange>,
    /// How it stood before.
    pub before: BrokerState,
}

/// What a broker is changed to; what is none stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerChange {
    /// The name.
    #[serde(default)]
    pub name: Option<String>,
    /// The address, and whether an admin said so.
    #[serde(default)]
    pub url: Option<(String, bool)>,
    /// How we log in.
    #[serde(default)]
    pub login: Option<BrokerLogin>,
    /// Labels and annotations as they shall be.
    #[serde(default)]
    pub metadata: Option<Metadata>,
}

impl BrokerChange {
    /// Whether nothing but the name changes, for which the broker need not be asked.
    #[must_use]
    pub const fn is_only_a_name(&self) -> bool {
        self.url.is_none() && self.login.is_none()
    }

    /// Applies it.
    pub fn apply(&self, broker: &mut Broker) {
        if let Some(name) = &self.name {
            broker.name.clone_from(name);
        }
        if let Some((url, vouched)) = &self.url {
            broker.url.clone_from(url);
            broker.vouched = *vouched;
        }
        if let Some(login) = &self.login {
            broker.login.clone_from(login);
        }
        if let Some(metadata) = &self.metadata {
            broker.metadata.clone_from(metadata);
        }
    }
}
