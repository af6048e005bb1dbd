//! What a sandbox may reach: decided here and nowhere else, from what is given and nothing else.

mod closed;
mod peers;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub(super) use closed::Closed;
pub(super) use peers::{Answer, Peers, Place, is_internal};

use super::address::{HOST, HOST_NAME, RESOLVER, RESOLVER_PORT};
use crate::model::{AppId, EgressProtocol, EgressRule, NetworkPolicy, PortRange};

/// What somebody inside wants to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Destination {
    pub(super) protocol: Protocol,
    pub(super) address: IpAddr,
    /// 0 where the protocol has none.
    pub(super) port: u16,
}

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Protocol {
    Tcp,
    Udp,
    Icmp { kind: u8, code: u8 },
}

/// What only the host knows about a destination.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts<'a> {
    /// The address is one of the host's own.
    pub(super) own: bool,
    /// It is a broadcast on one of the host's networks, or a multicast.
    pub(super) broadcast: bool,
    /// What the names of grants stand for now.
    pub(super) named: &'a [(String, IpAddr)],
}

/// What comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go there.
    Open { by: By, log: bool },
    /// To the platform's own answers about names.
    Resolver,
    /// Nowhere.
    Refused(Refusal),
}

/// What opens a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    /// A security group.
    Rule,
    /// A grant of this name or address.
    Grant(String),
    /// A grant of the host's loopback.
    Loopback,
    /// A network policy.
    Peer { app: AppId, index: u32 },
}

/// Why it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// To all.
    Closed(Closed),
    /// No rule opens it.
    NoRule,
    /// No grant opens this port of the host.
    NoGrant,
    /// No network policy opens this port of the other app.
    NoPolicy,
}

impl Refusal {
    /// Goes on from "refused:", for the app's owner.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Closed(Closed::Host) => "it is an address of the platform's host",
            Self::Closed(Closed::Loopback) => "it is a loopback address",
            Self::Closed(Closed::LinkLocal) => "link-local addresses are closed to apps",
            Self::Closed(Closed::Metadata) => "metadata services are closed to apps",
            Self::Closed(Closed::Multicast | Closed::Reserved) => {
                "only addresses of a single host can be reached"
            }
            Self::Closed(Closed::Unspecified | Closed::Virtual) => "nobody has this address",
            Self::Closed(Closed::Disguised) => "it hides an IPv4 address",
            Self::NoRule => "no security group opens it",
            Self::NoGrant => "no service on the host's port is bound to the app",
            Self::NoPolicy => "no network policy opens it",
        }
    }
}

/// Whether `to` may be reached. Beside the policy `peers` holds what addresses its peers have.
pub(super) fn decide(
    policy: &NetworkPolicy,
    peers: &Peers,
    facts: Facts<'_>,
    to: &Destination,
) -> Verdict {
    let open = |by| Verdict::Open { by, log: false };
    if to.address == RESOLVER {
        let names = to.port == RESOLVER_PORT && !matches!(to.protocol, Protocol::Icmp { .. });
        return if names {
            Verdict::Resolver
        } else {
            Verdict::Refused(Refusal::Closed(Closed::Virtual))
        };
    }
    if to.address == HOST {
        return if granted(policy, HOST_NAME, to) {
            open(By::Loopback)
        } else {
            Verdict::Refused(Refusal::NoGrant)
        };
    }
    if let Some(place) = peers.at(to.address) {
        return if peer_opens(policy, place.app, to) {
            open(By::Peer {
                app: place.app,
                index: place.index,
            })
        } else {
            Verdict::Refused(Refusal::NoPolicy)
        };
    }
    let closed = closed::closed(to.address).or(match facts {
        Facts { own: true, .. } => Some(Closed::Host),
        Facts {
            broadcast: true, ..
        } => Some(Closed::Multicast),
        _ => None,
    });
    if let Some(grant) = grant(policy, facts, closed, to) {
        return open(By::Grant(grant));
    }
    if let Some(closed) = closed {
        return Verdict::Refused(Refusal::Closed(closed));
    }
    match by_rules(&policy.rules, to) {
        Some(log) => Verdict::Open { by: By::Rule, log },
        None => Verdict::Refused(Refusal::NoRule),
    }
}

/// Whether a connection that was opened by `by` may stay.
pub(super) fn keeps(policy: &NetworkPolicy, by: &By, to: &Destination) -> bool {
    match by {
        By::Rule => by_rules(&policy.rules, to).is_some(),
        By::Grant(name) => granted(policy, name, to),
        By::Loopback => granted(policy, HOST_NAME, to),
        By::Peer { app, .. } => peer_opens(policy, *app, to),
    }
}

/// Names that have to be looked up before [`decide`] can say the last word on `to`.
pub(super) fn names_to_ask<'a>(
    policy: &'a NetworkPolicy,
    to: &Destination,
) -> impl Iterator<Item = &'a str> {
    let port = has_ports(to.protocol).then_some(to.port);
    let grants = policy.grants.iter();
    let grants = grants.filter(move |grant| Some(grant.port) == port);
    grants
        .map(|grant| grant.host.as_str())
        .filter(|host| is_name(host) && !host.eq_ignore_ascii_case(HOST_NAME))
}

/// Whether a grant's host is a name and no address.
pub(super) fn is_name(host: &str) -> bool {
    literal(host).is_none()
}

fn literal(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

const fn has_ports(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Tcp | Protocol::Udp)
}

fn granted(policy: &NetworkPolicy, host: &str, to: &Destination) -> bool {
    let mut grants = policy.grants.iter();
    has_ports(to.protocol)
        && grants.any(|grant| grant.port == to.port && grant.host.eq_ignore_ascii_case(host))
}

/// The host of the grant that opens `to`. One that is an address opens what a single machine can
/// have; a name does not lead to where only infrastructure is, whatever its servers say.
fn grant(
    policy: &NetworkPolicy,
    facts: Facts<'_>,
    closed: Option<Closed>,
    to: &Destination,
) -> Option<String> {
    let by_address = matches!(
        closed,
        None | Some(Closed::Host | Closed::LinkLocal | Closed::Metadata)
    );
    let by_name = matches!(closed, None | Some(Closed::Host));
    let mut grants = policy
        .grants
        .iter()
        .filter(|grant| has_ports(to.protocol) && grant.port == to.port);
    let found = grants.find(|grant| match literal(&grant.host) {
        Some(address) => by_address && address == to.address,
        None => {
            let mut named = facts.named.iter();
            by_name
                && named.any(|(name, address)| {
                    name.eq_ignore_ascii_case(&grant.host) && *address == to.address
                })
        }
    });
    found.map(|grant| grant.host.clone())
}

fn peer_opens(policy: &NetworkPolicy, app: AppId, to: &Destination) -> bool {
    let ports: fn(&crate::model::Peer) -> &[PortRange] = match to.protocol {
        Protocol::Tcp => |peer| &peer.tcp,
        Protocol::Udp => |peer| &peer.udp,
        Protocol::Icmp { .. } => return false,
    };
    let mut peers = policy.peers.iter().filter(|peer| peer.app == app);
    peers.any(|peer| contains(ports(peer), to.port))
}

/// Whether rules open `to`, and whether one of those that do wants it told. An IPv6 address that
/// leads to an IPv4 one has to be open as both.
fn by_rules(rules: &[EgressRule], to: &Destination) -> Option<bool> {
    let log = matching(rules, to)?;
    let embedded = match to.address {
        IpAddr::V6(address) => closed::embedded(address),
        IpAddr::V4(_) => None,
    };
    let Some(address) = embedded else {
        return Some(log);
    };
    let inner = Destination {
        address: address.into(),
        ..*to
    };
    matching(rules, &inner).map(|inner| inner || log)
}

fn matching(rules: &[EgressRule], to: &Destination) -> Option<bool> {
    let opening = rules.iter().filter(|rule| opens(rule, to));
    opening
        .map(|rule| rule.log)
        .reduce(|one, other| one || other)
}

fn opens(rule: &EgressRule, to: &Destination) -> bool {
    let same =
        rule.first.is_ipv4() == to.address.is_ipv4() && rule.last.is_ipv4() == to.address.is_ipv4();
    let within = same && rule.first <= to.address && to.address <= rule.last;
    within
        && match (&rule.protocol, to.protocol) {
            (EgressProtocol::All, _) => true,
            (EgressProtocol::Tcp(ports), Protocol::Tcp)
            | (EgressProtocol::Udp(ports), Protocol::Udp) => contains(ports, to.port),
            (EgressProtocol::Icmp { kind, code }, Protocol::Icmp { kind: k, code: c }) => {
                kind.is_none_or(|kind| kind == k) && code.is_none_or(|code| code == c)
            }
            _ => false,
        }
}

fn contains(ports: &[PortRange], port: u16) -> bool {
    ports.iter().any(|range| range.contains(port))
}
