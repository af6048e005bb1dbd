//! Service brokers, what they offer, and what is under way with them.

mod errand;
mod offering;
mod orphan;
mod registered;
mod usage;

pub use errand::{Change, Errand, Stage};
pub use offering::{MaintenanceInfo, Offering, OfferingTerms, Plan, PlanTerms, Schemas};
pub use orphan::Orphan;
pub use registered::{Broker, BrokerChange, BrokerLogin, BrokerState, BrokerSync};
pub use usage::{ServiceUsage, UsageState};
