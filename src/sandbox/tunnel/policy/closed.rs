//! Addresses that no rule opens: what is the host's, what leads into its infrastructure, and what
//! means something else than it says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::address;

/// Why an address is closed whatever the rules say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox::tunnel) enum Closed {
    /// Of the host itself.
    Host,
    /// `0.0.0.0/8` and `::`.
    Unspecified,
    /// A loopback, which here could only be the host's.
    Loopback,
    /// 169.254.0.0/16, fe80::/10 and what came before it.
    LinkLocal,
    /// Where clouds tell a machine its secrets.
    Metadata,
    /// To many at once.
    Multicast,
    /// Reserved, and the broadcast.
    Reserved,
    /// IPv6 that carries an IPv4 address in a form that leads nowhere good.
    Disguised,
    /// One of our own that stands for nothing.
    Virtual,
}

/// Metadata services outside of the link-local range: Alibaba, Oracle, Azure.
const METADATA: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// Amazon's and Google's over IPv6.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Why `address` is closed to all, by itself; the host's own are not known here.
pub(super) fn closed(address: IpAddr) -> Option<Closed> {
    if address::is_virtual(address) {
        return Some(Closed::Virtual);
    }
    match address {
        IpAddr::V4(address) => closed_v4(address),
        IpAddr::V6(address) => closed_v6(address),
    }
}

fn closed_v4(address: Ipv4Addr) -> Option<Closed> {
    match address.octets() {
        _ if METADATA.contains(&address) => Some(Closed::Metadata),
        [169, 254, 169, 254] => Some(Closed::Metadata),
        [0, ..] => Some(Closed::Unspecified),
        [127, ..] => Some(Closed::Loopback),
        [169, 254, ..] => Some(Closed::LinkLocal),
        [224..=239, ..] => Some(Closed::Multicast),
        [240..=255, ..] => Some(Closed::Reserved),
        _ => None,
    }
}

fn closed_v6(address: Ipv6Addr) -> Option<Closed> {
    match address.segments() {
        _ if METADATA_V6.contains(&address) => Some(Closed::Metadata),
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Closed::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Closed::Loopback),
        // IPv4-compatible and IPv4-mapped (RFC 4291), IPv4-translated (RFC 2765).
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => {
            Some(Closed::Disguised)
        }
        // NAT64 of a network's own (RFC 8215), and Teredo, which holds another end's address.
        [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] => Some(Closed::Disguised),
        [0xfe80..=0xfeff, ..] => Some(Closed::LinkLocal),
        [0xff00..=0xffff, ..] => Some(Closed::Multicast),
        _ => embedded(address).and_then(closed_v4),
    }
}

/// The IPv4 address that a packet to `address` ends up at: NAT64 (RFC 6052), 6to4 (RFC 3056).
pub(super) fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}
