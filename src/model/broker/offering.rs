//! What a broker offers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{BrokerId, Metadata, OfferingId, OrgId, PlanId, Timestamp};

/// A kind of service that a broker offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offering {
    /// Identity.
    pub id: OfferingId,
    /// Whose it is.
    pub broker: BrokerId,
    /// Whether the broker's catalog has it.
    pub available: bool,
    /// What the catalog says of it.
    pub terms: OfferingTerms,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was first seen.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What a catalog says of an offering (Open Service Broker API, "Service Offering Object").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the protocol's features, each on its own"
)]
pub struct OfferingTerms {
    /// The broker's own identifier of it.
    pub id: String,
    /// The name.
    pub name: String,
    /// In words.
    pub description: String,
    /// Whether instances can be bound, where a plan does not say.
    pub bindable: bool,
    /// Whether instances can change plans, where a plan does not say.
    pub plan_updateable: bool,
    /// Whether the broker can be asked for an instance.
    pub instances_retrievable: bool,
    /// Whether the broker can be asked for a binding.
    pub bindings_retrievable: bool,
    /// Whether the broker wants to know of other names of instances.
    pub allow_context_updates: bool,
    /// By what apps recognise it.
    pub tags: Vec<String>,
    /// What it has to be allowed: `syslog_drain`, `route_forwarding`, `volume_mount`.
    pub requires: Vec<String>,
    /// For people and marketplaces.
    pub metadata: Map<String, Value>,
}

/// A variant of an offering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Identity.
    pub id: PlanId,
    /// Of what.
    pub offering: OfferingId,
    /// Whether the broker's catalog has it.
    pub available: bool,
    /// Whether everybody may use it.
    #[serde(default)]
    pub public: bool,
    /// The organizations that may use it.
    #[serde(default)]
    pub orgs: BTreeSet<OrgId>,
    /// What the catalog says of it.
    pub terms: PlanTerms,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was first seen.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What a catalog says of a plan (Open Service Broker API, "Service Plan Object").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTerms {
    /// The broker's own identifier of it.
    pub id: String,
    /// The name.
    pub name: String,
    /// In words.
    pub description: String,
    /// Whether it costs nothing.
    pub free: bool,
    /// Whether instances can be bound, where it differs from the offering's.
    #[serde(default)]
    pub bindable: Option<bool>,
    /// Whether instances can change to another plan, where it differs from the offering's.
    #[serde(default)]
    pub plan_updateable: Option<bool>,
    /// Seconds after which an operation has failed, whatever the broker says.
    #[serde(default)]
    pub maximum_polling_duration: Option<u64>,
    /// The version that new instances are of.
    #[serde(default)]
    pub maintenance_info: Option<MaintenanceInfo>,
    /// For people and marketplaces.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// What parameters look like.
    #[serde(default)]
    pub schemas: Schemas,
}

/// What parameters look like, as JSON schemas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schemas {
    /// Where an instance is made.
    #[serde(default)]
    pub create: Map<String, Value>,
    /// Where an instance is changed.
    #[serde(default)]
    pub update: Map<String, Value>,
    /// Where an instance is bound.
    #[serde(default)]
    pub bind: Map<String, Value>,
}

/// The version of what an instance is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceInfo {
    /// A semantic version.
    pub version: String,
    /// What an upgrade to it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl OfferingTerms {
    /// Whether instances may be shared with other spaces.
    #[must_use]
    pub fn shareable(&self) -> bool {
        self.metadata.get("shareable") == Some(&Value::Bool(true))
    }

    /// Whether the broker says that it has to be allowed `what`.
    #[must_use]
    pub fn requires(&self, what: &str) -> bool {
        self.requires.iter().any(|required| required == what)
    }
}

impl Plan {
    /// Whether instances of it can be bound.
    #[must_use]
    pub fn bindable(&self, offering: &Offering) -> bool {
        self.terms.bindable.unwrap_or(offering.terms.bindable)
    }

    /// Whether instances of it can change to another plan.
    #[must_use]
    pub fn updateable(&self, offering: &Offering) -> bool {
        let own = self.terms.plan_updateable;
        own.unwrap_or(offering.terms.plan_updateable)
    }
}
