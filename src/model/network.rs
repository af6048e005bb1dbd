//! What an instance or a build may reach, as it is told to whoever enforces it.

use std::{net::IpAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::AppId;

/// Everything that one sandbox may reach outside of itself; what is not named is closed.
///
/// It is written down for a process that may be of an older release than the daemon: fields are
/// added with a default, and none changes its meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkPolicy {
    /// What security groups open, without order: one that matches is enough.
    pub rules: Vec<EgressRule>,
    /// Services that were granted by name, as by a binding.
    pub grants: Vec<Grant>,
    /// Apps that network policies open.
    pub peers: Vec<Peer>,
    /// Most bytes a second in each direction; none for no limit.
    pub bytes_per_second: Option<u64>,
}

/// One rule of a security group, for one range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressRule {
    /// First address, of the family of the last.
    pub first: IpAddr,
    /// Last address.
    pub last: IpAddr,
    /// What may be spoken.
    pub protocol: EgressProtocol,
    /// Whether connections that it lets through are told in the app's log.
    #[serde(default)]
    pub log: bool,
}

/// What a rule lets through to its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EgressProtocol {
    /// Everything.
    All,
    /// TCP to these ports.
    Tcp(Vec<PortRange>),
    /// UDP to these ports.
    Udp(Vec<PortRange>),
    /// ICMP, or ICMPv6 where the addresses are of that family; none for any.
    Icmp {
        /// The message's type.
        kind: Option<u8>,
        /// The message's code.
        code: Option<u8>,
    },
}

/// Ports from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last; no less than the first.
    pub last: u16,
}

impl PortRange {
    /// Whether `port` is one of them.
    #[must_use]
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

/// A service that is open wherever it is, private networks and the host included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Name or address, as the app is told it.
    pub host: String,
    /// Its port, for TCP and UDP.
    pub port: u16,
}

/// An app that may be reached under its internal routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Which.
    pub app: AppId,
    /// Its names, such as `orders.apps.internal`.
    pub names: Vec<String>,
    /// TCP ports that are open.
    pub tcp: Vec<PortRange>,
    /// UDP ports that are open.
    pub udp: Vec<PortRange>,
    /// Its instances that are ready.
    pub instances: Vec<PeerInstance>,
}

/// One instance of a peer, as `0.orders.apps.internal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerInstance {
    /// Its index.
    pub index: u32,
    /// The folder of its sandbox, through which it is dialled.
    pub dir: PathBuf,
}
