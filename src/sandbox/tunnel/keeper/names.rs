//! What the host's files say about names, read for a process that may read no files.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use super::super::{message::Names, policy::is_name};
use crate::model::NetworkPolicy;

/// As the C library: no more are asked.
const SERVERS: usize = 3;

/// Addresses of granted names that are told at most.
const HOSTS: usize = 64;

/// systemd's resolver also answers from the host's own files, which are nobody's business inside;
/// where it is in use this names the servers that it asks.
const BEHIND_SYSTEMD: &str = "/run/systemd/resolve/resolv.conf";

/// Reads the host's files.
pub(super) fn read(policy: &NetworkPolicy) -> Names {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut servers = servers(&text("/etc/resolv.conf"));
    let stub = |server: &SocketAddr| {
        matches!(
            server.ip().to_string().as_str(),
            "127.0.0.53" | "127.0.0.54"
        )
    };
    if servers.iter().any(stub) && Path::new(BEHIND_SYSTEMD).exists() {
        let behind = self::servers(&text(BEHIND_SYSTEMD));
        if !behind.is_empty() {
            servers = behind;
        }
    }
    let granted = policy.grants.iter().map(|grant| grant.host.as_str());
    let granted: Vec<&str> = granted.filter(|host| is_name(host)).collect();
    let hosts = if granted.is_empty() {
        Vec::new()
    } else {
        hosts(&text("/etc/hosts"), &granted)
    };
    Names { servers, hosts }
}

/// resolv.conf(5).
fn servers(text: &str) -> Vec<SocketAddr> {
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next())?
    });
    // A zone names one of the host's links; such a server is of no use to a socket without it.
    let addresses = lines.filter_map(|word| word.parse::<IpAddr>().ok());
    addresses
        .map(|address| SocketAddr::new(address, 53))
        .take(SERVERS)
        .collect()
}

/// hosts(5): what it says about names in `wanted`.
fn hosts(text: &str, wanted: &[&str]) -> Vec<(String, IpAddr)> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else {
            continue;
        };
        for name in words {
            if wanted.iter().any(|one| one.eq_ignore_ascii_case(name)) && found.len() < HOSTS {
                found.push((name.to_ascii_lowercase(), address));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_as_the_c_library_does() {
        let text = "# comment\nsearch example.kr\nnameserver 10.0.0.53\nnameserver ::1\n\
                    nameserver fe80::1%eth0\nnameserver nonsense\n nameserver 1.1.1.1 # x\n\
                    nameserver 8.8.8.8\n";
        let found: Vec<String> = servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.53:53", "[::1]:53", "1.1.1.1:53"]);
    }

    #[test]
    fn of_the_hosts_names_only_granted_ones_are_told() {
        let text = "127.0.0.1 localhost\n10.0.0.9 DB.lan db # the database\n\
                    10.0.0.10 secret.lan\n";
        let found = hosts(text, &["db.lan"]);
        assert_eq!(found, [("db.lan".to_owned(), "10.0.0.9".parse().unwrap())]);
    }
}
