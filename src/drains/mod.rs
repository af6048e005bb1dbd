//! Syslog drains: what bound user-provided services ask for of an app's logs and metrics, sent
//! there as it comes, as Cloud Foundry's syslog agent does (RFC 5424, over TCP, TLS and HTTPS).
//!
//! What the state says is what is sent: a drain begins and ends with its binding. Nothing waits
//! for a drain; what it does not take in time is lost, and the app's log says how much.

mod address;
mod deliver;
mod message;
mod work;

pub use work::Drains;

use crate::{logs::Logs, net::Lookup, store::Store};

/// What drains work with.
#[derive(Debug, Clone)]
pub struct Deps {
    /// Which apps are bound to what.
    pub store: Store,
    /// What apps say, and where it is told what was lost.
    pub logs: Logs,
    /// Finds the addresses of names.
    pub lookup: Lookup,
}
