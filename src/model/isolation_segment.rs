//! Isolation segments: groups of machines, of which there is one machine here.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Metadata, OrgId, SegmentId, SegmentName, Timestamp};

/// An isolation segment. Apps run on the one machine whichever their space has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsolationSegment {
    /// Identity.
    pub id: SegmentId,
    /// Unique on the platform, whatever the case.
    pub name: SegmentName,
    /// The organizations that may use it.
    #[serde(default)]
    pub orgs: BTreeSet<OrgId>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl SegmentId {
    /// The segment `shared`, in which everything is that nobody put elsewhere.
    pub const SHARED: Self = Self::from_uuid(Uuid::from_u64_pair(0x4000, (0x8000 << 48) | 2));
}
