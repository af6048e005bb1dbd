//! Service instances and their bindings to apps.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AppId, BindingId, Metadata, ServiceId, ServiceName, SpaceId, Timestamp};

/// A service instance: something that apps are bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Identity.
    pub id: ServiceId,
    /// The space it lives in.
    pub space: SpaceId,
    /// Unique in its space, whatever the case.
    pub name: ServiceName,
    /// What it is.
    pub kind: ServiceKind,
    /// Whether its credentials are an admin's word, so that bindings open the addresses that
    /// they name; else whoever may make a service could open the host to their apps.
    #[serde(default)]
    pub vouched: bool,
    /// By what apps recognise it.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What was last done with it.
    pub last_operation: Operation,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The kinds of service instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ServiceKind {
    /// One that somebody runs elsewhere and told us about.
    UserProvided {
        /// What bound apps are told.
        credentials: Credentials,
        /// Where bound apps' logs go.
        #[serde(default)]
        syslog_drain_url: Option<String>,
        /// Where requests for bound routes go first.
        #[serde(default)]
        route_service_url: Option<String>,
    },
}

/// Secrets, which no log and no `Debug` output shows.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credentials(pub Map<String, Value>);

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// What was last done with a service instance or binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// What.
    pub kind: OperationKind,
    /// How far it came.
    pub state: OperationState,
    /// In words.
    pub description: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last heard of.
    pub updated_at: Timestamp,
}

impl Operation {
    /// An operation that was done at once.
    #[must_use]
    pub fn done(kind: OperationKind, now: Timestamp) -> Self {
        Self {
            kind,
            state: OperationState::Succeeded,
            description: "Operation succeeded".to_owned(),
            created_at: now,
            updated_at: now,
        }
    }
}

/// What is done with service instances and bindings, spelled as the API spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
}

/// How far an operation came, spelled as the API spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationState {
    /// Not begun.
    #[serde(rename = "initial")]
    Initial,
    /// Under way.
    #[serde(rename = "in progress")]
    InProgress,
    /// Done.
    #[serde(rename = "succeeded")]
    Succeeded,
    /// Given up.
    #[serde(rename = "failed")]
    Failed,
}

/// The binding of a service instance to an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Identity.
    pub id: BindingId,
    /// To what.
    pub service: ServiceId,
    /// Which app.
    pub app: AppId,
    /// What the app shall know it by, instead of the instance's name.
    #[serde(default)]
    pub name: Option<String>,
    /// What was last done with it.
    pub last_operation: Operation,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Service {
    /// What an app that is bound to it is told.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        match &self.kind {
            ServiceKind::UserProvided { credentials, .. } => credentials,
        }
    }

    /// Where bound apps' logs go.
    #[must_use]
    pub fn syslog_drain_url(&self) -> Option<&str> {
        match &self.kind {
            ServiceKind::UserProvided {
                syslog_drain_url, ..
            } => syslog_drain_url.as_deref(),
        }
    }
}
