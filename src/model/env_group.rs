//! Environment variables of every app or of every build.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EnvGroupId, Timestamp, Workload};

/// Variables that admins set for everybody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvGroup {
    /// Which; the same on every platform.
    pub id: EnvGroupId,
    /// The variables.
    pub var: BTreeMap<String, String>,
    /// When they were last set.
    pub updated_at: Timestamp,
}

// They may hold secrets.
impl fmt::Debug for EnvGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvGroup")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl EnvGroupId {
    /// The group for what runs, or for builds.
    #[must_use]
    pub const fn of(workload: Workload) -> Self {
        Self::from_uuid(Uuid::from_u128(match workload {
            Workload::Running => 1,
            Workload::Staging => 2,
        }))
    }
}
