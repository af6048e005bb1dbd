//! Domains.

use serde::{Deserialize, Serialize};

use super::{DomainId, DomainName, Metadata, OrgId, Timestamp};

/// A domain under which routes are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Identity.
    pub id: DomainId,
    /// Unique on the platform.
    pub name: DomainName,
    /// The organization that owns it; none for a shared domain.
    pub org: Option<OrgId>,
    /// Other organizations that may use a private domain.
    #[serde(default)]
    pub shared_with: Vec<OrgId>,
    /// Reachable from other apps only (`apps.internal`).
    #[serde(default)]
    pub internal: bool,
    /// Whether its routes are TCP ports, of the platform's one router group.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tcp: bool,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
