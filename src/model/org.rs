//! Organizations.

use serde::{Deserialize, Serialize};

use super::{Metadata, OrgId, OrgName, OrgQuotaId, SegmentId, Timestamp};

/// An organization: the tenant that owns spaces, quotas and private domains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Org {
    /// Identity.
    pub id: OrgId,
    /// Unique on the platform, whatever the case.
    pub name: OrgName,
    /// A suspended organization can be seen but not changed, except by admins.
    pub suspended: bool,
    /// How much it may use; none for the quota `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<OrgQuotaId>,
    /// The isolation segment of its spaces that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation_segment: Option<SegmentId>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Org {
    /// The quota that it has.
    #[must_use]
    pub fn quota(&self) -> OrgQuotaId {
        self.quota.unwrap_or(OrgQuotaId::DEFAULT)
    }
}
