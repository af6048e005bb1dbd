//! What may be left at a broker.

use serde::{Deserialize, Serialize};

use crate::model::{Actor, BrokerId, OrphanId, ServiceId, Timestamp};

/// An instance or binding of which nobody knows whether the broker made it. The broker is asked
/// to delete it until it says that it is gone (Open Service Broker API, "Orphan Mitigation").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    /// Identity: that of the instance or binding.
    pub id: OrphanId,
    /// The instance: it, or the one that the binding is of.
    pub instance: ServiceId,
    /// Whether it is a binding.
    pub binding: bool,
    /// Whose it is.
    pub broker: BrokerId,
    /// The broker's identifier of the offering.
    pub service_id: String,
    /// The broker's identifier of the plan.
    pub plan_id: String,
    /// On whose behalf it was asked for.
    pub by: Actor,
    /// How often the broker was asked.
    pub tries: u32,
    /// When it is asked next.
    pub next_at: Timestamp,
    /// Since when.
    pub created_at: Timestamp,
}
