//! Spaces.

use serde::{Deserialize, Serialize};

use super::{Metadata, OrgId, SegmentId, SpaceId, SpaceName, SpaceQuotaId, Timestamp};

/// A space: where apps, routes and services live, and where people get roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// Identity.
    pub id: SpaceId,
    /// The organization it belongs to.
    pub org: OrgId,
    /// Unique in its organization, whatever the case.
    pub name: SpaceName,
    /// Whether `cf ssh` may be used on its apps.
    pub allow_ssh: bool,
    /// How much of its organization's quota it may use; none for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<SpaceQuotaId>,
    /// Its isolation segment; none for its organization's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation_segment: Option<SegmentId>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
