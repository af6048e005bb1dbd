//! Audit events: who did what to what, and what happened by itself.

use serde::{Deserialize, Serialize};

use super::{EventId, OrgId, SpaceId, Timestamp};

/// Who or what caused something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The guid of the user, client, process, ...
    pub guid: String,
    /// `user`, `uaa-client`, `process`, `app`, `system`.
    pub kind: String,
    /// The name to show.
    pub name: String,
}

impl Actor {
    /// The platform itself.
    #[must_use]
    pub fn system() -> Self {
        Self {
            guid: String::new(),
            kind: "system".to_owned(),
            name: "system".to_owned(),
        }
    }
}

/// What something happened to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTarget {
    /// Its guid.
    pub guid: String,
    /// `app`, `space`, `route`, ...
    pub kind: String,
    /// The name to show.
    pub name: String,
}

/// One thing that happened. Types and data as Cloud Foundry's audit events have them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Identity.
    pub id: EventId,
    /// Such as `audit.app.create` or `app.crash`.
    pub kind: String,
    /// Who caused it.
    pub actor: Actor,
    /// What it happened to.
    pub target: EventTarget,
    /// Details by type.
    pub data: serde_json::Value,
    /// The space it happened in, if any.
    pub space: Option<SpaceId>,
    /// The organization it happened in, if any.
    pub org: Option<OrgId>,
    /// When.
    pub created_at: Timestamp,
}
