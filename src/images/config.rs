//! What images may be, and where they may come from.

use std::{collections::BTreeMap, path::PathBuf};

use crate::net::Proxies;

/// Bytes of an image's layers as they are sent.
const DOWNLOAD: u64 = 4 << 30;
/// Bytes of an image's layers when unpacked: some three times as much, as programs compress.
const UNPACKED: u64 = 12 << 30;
/// Files, folders and links of an image; a full development image has some 200,000.
const ENTRIES: u64 = 1_000_000;

/// Most that an image may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of its layers as they are sent.
    pub download: u64,
    /// Bytes of its layers when unpacked.
    pub unpacked: u64,
    /// Files, folders and links of all its layers.
    pub entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            download: DOWNLOAD,
            unpacked: UNPACKED,
            entries: ENTRIES,
        }
    }
}

/// Which registries are asked, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Registries that may be at addresses of this machine and of private networks: a host, or
    /// a host with a port.
    pub local: Vec<String>,
    /// Registries that are spoken to without TLS, beside those of the loopback.
    pub insecure: Vec<String>,
    /// Servers that are asked before a registry: scheme, host and port by the registry's name.
    pub mirrors: BTreeMap<String, String>,
}

impl Policy {
    /// Whether `authority` may lie where tenants have no business.
    pub(super) fn is_local(&self, authority: &str) -> bool {
        listed(&self.local, authority)
    }

    /// Whether `authority` is spoken to without TLS.
    pub(super) fn is_plain(&self, authority: &str) -> bool {
        listed(&self.insecure, authority)
            || (self.is_local(authority) && is_loopback(host_of(authority)))
    }
}

fn listed(list: &[String], authority: &str) -> bool {
    let host = host_of(authority);
    list.iter()
        .any(|item| item.eq_ignore_ascii_case(authority) || item.eq_ignore_ascii_case(host))
}

/// The host in `host:port`, brackets and all.
pub(super) fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        // The last colon of `[::1]` is not before a port.
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    }
}

/// Whether a host is this machine by its name alone.
fn is_loopback(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let address = bare.parse::<std::net::IpAddr>();
    address.map_or_else(
        |_| host == "localhost" || host.ends_with(".localhost"),
        |address| address.is_loopback(),
    )
}

/// What images are told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The folder of layers.
    pub dir: PathBuf,
    /// Most that an image may be.
    pub limits: Limits,
    /// Which registries are asked, and how.
    pub policy: Policy,
    /// Proxies that they are asked through.
    pub proxies: Proxies,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_stands_for_all_its_ports() {
        let policy = Policy {
            local: ["localhost", "10.0.0.5:5000", "[::1]"]
                .map(str::to_owned)
                .into(),
            insecure: vec!["10.0.0.5:5000".to_owned()],
            ..Policy::default()
        };
        let check = |authority: &str, local: bool, plain: bool| {
            assert_eq!(policy.is_local(authority), local, "{authority}");
            assert_eq!(policy.is_plain(authority), plain, "{authority}");
        };
        check("localhost:5000", true, true);
        check("LOCALHOST", true, false);
        check("10.0.0.5:5000", true, true);
        check("10.0.0.5:5001", false, false);
        check("10.0.0.5", false, false);
        check("[::1]:80", true, true);
        check("127.0.0.1:5000", false, false);
        check("ghcr.io", false, false);
    }
}
