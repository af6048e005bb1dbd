//! Quotas: how much of the platform an organization or a space may use.

mod breach;
mod usage;

pub use breach::{Breach, Level, Over};
pub use usage::{LogRate, Usage};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{OrgId, OrgQuotaId, QuotaName, SpaceQuotaId, Timestamp};

/// Limits of what apps use; none is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AppLimits {
    /// Mebibytes of all instances of started apps and of running tasks together.
    pub total_memory_in_mb: Option<u64>,
    /// Mebibytes of one instance or task.
    pub per_process_memory_in_mb: Option<u64>,
    /// Instances of started apps.
    pub total_instances: Option<u64>,
    /// Running tasks of one app.
    pub per_app_tasks: Option<u64>,
    /// Log bytes per second of all instances of started apps and of running tasks together.
    pub log_rate_limit_in_bytes_per_second: Option<u64>,
}

/// Limits of services; none is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceLimits {
    /// Whether instances of plans that cost something may be made.
    pub paid_services_allowed: bool,
    /// Managed service instances.
    pub total_service_instances: Option<u64>,
    /// Service keys.
    pub total_service_keys: Option<u64>,
}

impl Default for ServiceLimits {
    fn default() -> Self {
        Self {
            paid_services_allowed: true,
            total_service_instances: None,
            total_service_keys: None,
        }
    }
}

/// Limits of routes; none is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteLimits {
    /// Routes, of whatever protocol.
    pub total_routes: Option<u64>,
    /// Ports of TCP routes.
    pub total_reserved_ports: Option<u64>,
}

/// Limits of domains; none is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DomainLimits {
    /// Private domains of an organization.
    pub total_domains: Option<u64>,
}

/// Every limit of a quota. Without a limit until one is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Of apps.
    pub apps: AppLimits,
    /// Of services.
    pub services: ServiceLimits,
    /// Of routes.
    pub routes: RouteLimits,
    /// Of domains, which only organizations have.
    pub domains: DomainLimits,
}

/// The quota of any number of organizations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgQuota {
    /// Identity.
    pub id: OrgQuotaId,
    /// Unique on the platform, whatever the case.
    pub name: QuotaName,
    /// How much.
    pub limits: Limits,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The quota of any number of spaces of one organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceQuota {
    /// Identity.
    pub id: SpaceQuotaId,
    /// The organization that it belongs to.
    pub org: OrgId,
    /// Unique in the organization, whatever the case.
    pub name: QuotaName,
    /// How much.
    pub limits: Limits,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl OrgQuotaId {
    /// The quota `default`, which organizations have that were given no other.
    pub const DEFAULT: Self = Self::from_uuid(Uuid::from_u64_pair(0x4000, (0x8000 << 48) | 1));
}
