//! Network policies: which app may reach which other.

use serde::{Deserialize, Serialize};

use super::{AppId, PeerPolicyId, PortRange, Timestamp};

/// What one app may speak to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A network policy of the API: `source` may reach `destination` at some ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerPolicy {
    /// Identity; the API has none.
    pub id: PeerPolicyId,
    /// Who may reach.
    pub source: AppId,
    /// Who may be reached.
    pub destination: AppId,
    /// By what.
    pub protocol: PeerProtocol,
    /// Where.
    pub ports: PortRange,
    /// When it was made.
    pub created_at: Timestamp,
}
