//! Security groups: named sets of rules about what apps and builds may reach.

use std::{collections::BTreeSet, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::{
    EgressProtocol, EgressRule, PortRange, SecurityGroupId, SecurityGroupName, SpaceId, Timestamp,
};

/// What a security group is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Workload {
    /// What runs.
    Running,
    /// Builds.
    Staging,
}

/// A security group: rules, and where they hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Identity.
    pub id: SecurityGroupId,
    /// Unique on the platform, whatever the case.
    pub name: SecurityGroupName,
    /// What it opens.
    pub rules: Vec<SecurityRule>,
    /// Where it holds for what runs.
    #[serde(default)]
    pub running: Reach,
    /// Where it holds for builds.
    #[serde(default)]
    pub staging: Reach,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Where a security group holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// In every space.
    #[serde(default)]
    pub everywhere: bool,
    /// In these spaces.
    #[serde(default)]
    pub spaces: BTreeSet<SpaceId>,
}

impl Reach {
    /// Whether it holds in `space`.
    #[must_use]
    pub fn holds_in(&self, space: SpaceId) -> bool {
        self.everywhere || self.spaces.contains(&space)
    }
}

impl SecurityGroup {
    /// Where it holds for `workload`.
    #[must_use]
    pub const fn reach(&self, workload: Workload) -> &Reach {
        match workload {
            Workload::Running => &self.running,
            Workload::Staging => &self.staging,
        }
    }

    /// Where it holds for `workload`, to be changed.
    pub const fn reach_mut(&mut self, workload: Workload) -> &mut Reach {
        match workload {
            Workload::Running => &mut self.running,
            Workload::Staging => &mut self.staging,
        }
    }

    /// What it opens, for whoever enforces it.
    pub fn egress(&self) -> impl Iterator<Item = EgressRule> + '_ {
        self.rules.iter().flat_map(SecurityRule::egress)
    }
}

/// The protocols of rules, spelled as the API spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
    /// `ICMPv6`.
    Icmpv6,
    /// Everything.
    All,
}

/// One rule, as people wrote it: what the API takes is what it shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityRule {
    /// What may be spoken.
    pub protocol: RuleProtocol,
    /// Addresses, ranges and networks, separated by commas.
    pub destination: String,
    /// Ports, for TCP and UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<String>,
    /// The type of ICMP messages; -1 for any.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<i16>,
    /// The code of ICMP messages; -1 for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i16>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether what it lets through is told in the app's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<bool>,
}

impl SecurityRule {
    /// The rule for each of its destinations. A part that is none opens nothing.
    fn egress(&self) -> impl Iterator<Item = EgressRule> + '_ {
        let protocol = self.egress_protocol();
        self.destination
            .split(',')
            .filter_map(|text| address_range(text).ok())
            .filter_map(move |(first, last)| {
                Some(EgressRule {
                    first,
                    last,
                    protocol: protocol.clone()?,
                    log: self.log.unwrap_or_default(),
                })
            })
    }

    fn egress_protocol(&self) -> Option<EgressProtocol> {
        let ports = || self.ports.as_deref().and_then(port_ranges);
        // -1 is any.
        let byte = |number: Option<i16>| number.and_then(|number| u8::try_from(number).ok());
        Some(match self.protocol {
            RuleProtocol::All => EgressProtocol::All,
            RuleProtocol::Tcp => EgressProtocol::Tcp(ports()?),
            RuleProtocol::Udp => EgressProtocol::Udp(ports()?),
            RuleProtocol::Icmp | RuleProtocol::Icmpv6 => EgressProtocol::Icmp {
                kind: byte(self.kind),
                code: byte(self.code),
            },
        })
    }
}

/// What is wrong with one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDestination {
    /// It is neither an address nor a network.
    #[error("destination must contain valid CIDR(s), IP address(es), or IP address range(s)")]
    Shape,
    /// One end of a range is no address, or they are of two families.
    #[error("destination IP address range is invalid")]
    Range,
    /// The range ends before it begins.
    #[error(
        "beginning of IP address range is numerically greater than the end of its range (range \
         endpoints are inverted)"
    )]
    Inverted,
}

/// The first and last address of an address, a range (`10.0.0.1-10.0.0.9`) or a network
/// (`10.0.0.0/8`).
///
/// # Errors
/// Where it is none of these.
pub fn address_range(text: &str) -> Result<(IpAddr, IpAddr), BadDestination> {
    if let Some((first, last)) = text.split_once('-') {
        if last.contains('-') {
            return Err(BadDestination::Shape);
        }
        let address = |text: &str| text.parse::<IpAddr>().map_err(|_| BadDestination::Range);
        let (first, last) = (address(first)?, address(last)?);
        return match (first, last) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) if first <= last => {
                Ok((first, last))
            }
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                Err(BadDestination::Inverted)
            }
            _ => Err(BadDestination::Range),
        };
    }
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| BadDestination::Shape)?;
    let widest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => widest,
        // `+8` is a number to Rust, and no prefix to anybody.
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse().map_err(|_| BadDestination::Shape)?
        }
        Some(_) => return Err(BadDestination::Shape),
    };
    if prefix > widest {
        return Err(BadDestination::Shape);
    }
    Ok(network(address, prefix))
}

/// The first and last address of a network; `prefix` is at most the width of the family.
fn network(address: IpAddr, prefix: u32) -> (IpAddr, IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let hosts = u32::MAX.checked_shr(prefix).unwrap_or(0);
            let bits = address.to_bits();
            let (first, last) = (bits & !hosts, bits | hosts);
            (
                IpAddr::V4(std::net::Ipv4Addr::from_bits(first)),
                IpAddr::V4(std::net::Ipv4Addr::from_bits(last)),
            )
        }
        IpAddr::V6(address) => {
            let hosts = u128::MAX.checked_shr(prefix).unwrap_or(0);
            let bits = address.to_bits();
            let (first, last) = (bits & !hosts, bits | hosts);
            (
                IpAddr::V6(std::net::Ipv6Addr::from_bits(first)),
                IpAddr::V6(std::net::Ipv6Addr::from_bits(last)),
            )
        }
    }
}

/// The ports of `80`, `80,443` or `1000-2000`; none where it is none of these.
#[must_use]
pub fn port_ranges(text: &str) -> Option<Vec<PortRange>> {
    // Cloud Foundry lets blanks stand around numbers.
    let port = |text: &str| {
        let text = text.trim();
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let port = text.parse::<u16>().ok().filter(|port| *port > 0);
        port.filter(|_| digits)
    };
    if let Some((first, last)) = text.split_once('-') {
        let (first, last) = (port(first)?, port(last)?);
        return (first < last).then(|| vec![PortRange { first, last }]);
    }
    let single = |text| {
        port(text).map(|port| PortRange {
            first: port,
            last: port,
        })
    };
    text.split(',').map(single).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> Result<String, BadDestination> {
        address_range(text).map(|(first, last)| format!("{first}-{last}"))
    }

    #[test]
    fn destinations_are_addresses_ranges_and_networks() {
        let check = |text: &str, expected: Result<&str, BadDestination>| {
            assert_eq!(range(text), expected.map(str::to_owned), "{text}");
        };
        check("10.0.0.5", Ok("10.0.0.5-10.0.0.5"));
        check("10.0.0.5/8", Ok("10.0.0.0-10.255.255.255"));
        check("0.0.0.0/0", Ok("0.0.0.0-255.255.255.255"));
        check("10.0.0.1-10.0.0.9", Ok("10.0.0.1-10.0.0.9"));
        check(
            "2000::/3",
            Ok("2000::-3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        );
        check("::/0", Ok("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
        check("::1/128", Ok("::1-::1"));
        check("10.0.0.9-10.0.0.1", Err(BadDestination::Inverted));
        check("10.0.0.1-::1", Err(BadDestination::Range));
        check("10.0.0.0/8-10.0.0.1", Err(BadDestination::Range));
        for bad in [
            "",
            "x",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "::/129",
            "1-2-3",
            "010.0.0.1",
        ] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ports_are_one_several_or_a_range() {
        let check = |text: &str, expected: Option<&[(u16, u16)]>| {
            let expected = expected.map(|all| {
                let each = all.iter();
                each.map(|(first, last)| PortRange {
                    first: *first,
                    last: *last,
                })
                .collect::<Vec<_>>()
            });
            assert_eq!(port_ranges(text), expected, "{text}");
        };
        check("80", Some(&[(80, 80)]));
        check("443, 8080", Some(&[(443, 443), (8080, 8080)]));
        check("1000-2000", Some(&[(1000, 2000)]));
        for bad in [
            "",
            "0",
            "65536",
            "2000-1000",
            "80-80",
            "1-2,3",
            "80,",
            "+80",
            "a",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn a_rule_opens_each_of_its_destinations() {
        let rule = SecurityRule {
            protocol: RuleProtocol::Icmp,
            destination: "10.0.0.1,10.1.0.0/16".to_owned(),
            ports: None,
            kind: Some(8),
            code: Some(-1),
            description: None,
            log: Some(true),
        };
        let opened: Vec<_> = rule.egress().collect();
        assert_eq!(opened.len(), 2);
        let echo = EgressProtocol::Icmp {
            kind: Some(8),
            code: None,
        };
        assert!(opened.iter().all(|rule| rule.protocol == echo && rule.log));
    }

    proptest! {
        #[test]
        fn a_network_has_each_address_with_its_prefix(bits: u32, prefix in 0_u32..=32, other: u32) {
            let address = std::net::Ipv4Addr::from_bits(bits);
            let (first, last) = address_range(&format!("{address}/{prefix}")).unwrap();
            let other_address = IpAddr::V4(std::net::Ipv4Addr::from_bits(other));
            let same = prefix == 0 || (bits ^ other).checked_shr(32 - prefix).unwrap_or(0) == 0;
            prop_assert_eq!(first <= other_address && other_address <= last, same);
        }
    }
}
