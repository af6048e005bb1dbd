//! What has been used of services.

use serde::{Deserialize, Serialize};

use crate::model::{OrgId, ServiceId, ServiceUsageId, SpaceId, Timestamp};

/// What became of a service instance, with the names of that time: who bills asks long after
/// all of it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUsage {
    /// Identity.
    pub id: ServiceUsageId,
    /// What became of it.
    pub state: UsageState,
    /// The organization.
    pub org: OrgId,
    /// The space.
    pub space: SpaceId,
    /// The space's name.
    pub space_name: String,
    /// The instance.
    pub instance: ServiceId,
    /// The instance's name.
    pub instance_name: String,
    /// `managed_service_instance` or `user_provided_service_instance`.
    pub instance_type: String,
    /// Guid and name of the plan.
    #[serde(default)]
    pub plan: Option<(String, String)>,
    /// Guid and name of the offering.
    #[serde(default)]
    pub offering: Option<(String, String)>,
    /// Guid and name of the broker.
    #[serde(default)]
    pub broker: Option<(String, String)>,
    /// When.
    pub created_at: Timestamp,
}

/// What became of a service instance, spelled as the API spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UsageState {
    /// It was made.
    Created,
    /// It changed its plan or name.
    Updated,
    /// It was deleted.
    Deleted,
}
