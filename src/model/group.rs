//! Groups of users, which are the scopes of their tokens.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{GroupId, Timestamp, UserId};

/// Sees everything that is not secret.
pub const GLOBAL_AUDITOR: &str = "cloud_controller.global_auditor";
/// Sees everything.
pub const ADMIN_READ_ONLY: &str = "cloud_controller.admin_read_only";
/// Read the logs and metrics of everything: for nozzles, and for readers of log-cache.
pub const WATCHERS: [&str; 2] = ["doppler.firehose", "logs.admin"];
/// Opens any app to any other.
pub const NETWORK_ADMIN: &str = "network.admin";
/// Sees which ports TCP routes may have.
pub const ROUTER_GROUPS: &str = "routing.router_groups.read";
/// May do everything.
pub const ADMIN: &str = "cloud_controller.admin";

/// A group: its name is a scope in the tokens of its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Identity.
    pub id: GroupId,
    /// Unique on the platform, whatever the case.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Who is in it. Admins are in `cloud_controller.admin` by their own records.
    #[serde(default)]
    pub members: BTreeSet<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
