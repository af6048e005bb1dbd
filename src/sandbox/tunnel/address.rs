//! The addresses that exist only between a sandbox and its way out.
//!
//! They are of 198.18.0.0/15, which is set aside for benchmarks (RFC 2544) and routed nowhere, so
//! none of them hides a place that an app could want. On the host they do not exist.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The sandbox's own.
pub(super) const INSTANCE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
/// Bits of the network that [`INSTANCE`] is in.
pub(super) const INSTANCE_PREFIX: u8 = 30;
/// The sandbox's own for IPv6, of a unique local network (RFC 4193): programs that choose between
/// the families then prefer IPv4, which works on more hosts.
pub(super) const INSTANCE_V6: Ipv6Addr = Ipv6Addr::new(0xfd70, 0x6173, 0x7469, 0, 0, 0, 0, 2);
/// Bits of the network that [`INSTANCE_V6`] is in.
pub(super) const INSTANCE_V6_PREFIX: u8 = 64;
/// Stands for the host's own loopback.
pub(super) const HOST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// Answers questions about names.
pub(in crate::sandbox) const RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 53);
/// Where it does so.
pub(super) const RESOLVER_PORT: u16 = 53;

/// The name of [`HOST`].
pub(super) const HOST_NAME: &str = "host.pastina.internal";
/// What names of other apps end in.
pub(super) const APPS: &str = "apps.internal";

/// The `n`th address of another app's instance: 198.19.0.0/16.
pub(super) const fn peer(n: u16) -> Ipv4Addr {
    let [high, low] = n.to_be_bytes();
    Ipv4Addr::new(198, 19, high, low)
}

/// Whether it is one of these.
pub(super) fn is_virtual(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => matches!(address.octets(), [198, 18 | 19, ..]),
        IpAddr::V6(address) => address.segments()[..3] == INSTANCE_V6.segments()[..3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_them_are_virtual_and_their_neighbours_are_not() {
        for address in [INSTANCE, HOST, RESOLVER, peer(0), peer(u16::MAX)] {
            assert!(is_virtual(address.into()), "{address}");
        }
        assert!(is_virtual(INSTANCE_V6.into()));
        for address in ["198.17.255.255", "198.20.0.0", "fd70:6173:746a::2"] {
            assert!(!is_virtual(address.parse().unwrap()), "{address}");
        }
    }
}
