//! The index over the entries of a table: hosts by hash, paths by length.

use std::{collections::HashMap, sync::Arc};

use super::Entry;

/// Longer names do not exist (RFC 1035, 2.3.4), so none is looked up.
const LONGEST_HOST: usize = 253;

/// Positions in the table's entries by host and path.
#[derive(Debug, Default)]
pub(super) struct Index {
    exact: HashMap<Box<[u8]>, Paths>,
    /// By what follows `*.`.
    wildcard: HashMap<Box<[u8]>, Paths>,
    ports: HashMap<u16, usize>,
}

/// Path prefixes of one host, longest first.
#[derive(Debug, Default)]
struct Paths(Vec<(Box<str>, usize)>);

impl Index {
    pub(super) fn of(entries: &[Arc<Entry>]) -> Self {
        let mut index = Self::default();
        for (at, entry) in entries.iter().enumerate() {
            if let Some(port) = entry.port {
                index.ports.entry(port).or_insert(at);
                continue;
            }
            let host = entry.host.to_ascii_lowercase();
            let host = host.trim_end_matches('.');
            let (map, name) = match host.strip_prefix("*.") {
                Some(domain) => (&mut index.wildcard, domain),
                None => (&mut index.exact, host),
            };
            map.entry(name.as_bytes().into())
                .or_default()
                .insert(&entry.path, at);
        }
        index
    }

    pub(super) fn port(&self, port: u16) -> Option<usize> {
        self.ports.get(&port).copied()
    }

    pub(super) fn lookup(&self, host: &str, path: &str) -> Option<usize> {
        let name = without_port(host.as_bytes());
        let name = name.strip_suffix(b".").unwrap_or(name);
        let mut lower = [0; LONGEST_HOST];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();

        let find = |map: &HashMap<Box<[u8]>, Paths>, name: &[u8]| map.get(name)?.longest(path);
        if let Some(at) = find(&self.exact, lower) {
            return Some(at);
        }
        if self.wildcard.is_empty() {
            return None;
        }
        let mut rest = &*lower;
        while let Some(dot) = rest.iter().position(|&byte| byte == b'.') {
            rest = &rest[dot + 1..];
            if let Some(at) = find(&self.wildcard, rest) {
                return Some(at);
            }
        }
        None
    }
}

impl Paths {
    fn insert(&mut self, path: &str, at: usize) {
        let path = path.trim_end_matches('/');
        if self.0.iter().any(|(known, _)| &**known == path) {
            return;
        }
        let place = self
            .0
            .partition_point(|(known, _)| known.len() >= path.len());
        self.0.insert(place, (path.into(), at));
    }

    fn longest(&self, path: &str) -> Option<usize> {
        self.0
            .iter()
            .find(|(prefix, _)| covers(prefix, path))
            .map(|&(_, at)| at)
    }
}

/// Whether `prefix` ends on a border of `path`'s segments: `/a` covers `/a` and `/a/b`, not `/ab`.
fn covers(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// `host` without `:port`; the colons of an address in brackets stay.
fn without_port(host: &[u8]) -> &[u8] {
    if host.starts_with(b"[") {
        let end = host
            .iter()
            .position(|&byte| byte == b']')
            .map_or(host.len(), |at| at + 1);
        return &host[..end];
    }
    match host.iter().position(|&byte| byte == b':') {
        Some(colon) => &host[..colon],
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::RouteId,
        routing::{Balance, RouteTable},
    };

    fn entry(host: &str, path: &str) -> Arc<Entry> {
        Arc::new(Entry {
            route: RouteId::random(),
            host: host.to_owned(),
            path: path.to_owned(),
            port: None,
            service: None,
            balance: Balance::default(),
            backends: Vec::new(),
        })
    }

    fn found(table: &RouteTable, host: &str, path: &str) -> Option<String> {
        table
            .lookup(host, path)
            .map(|entry| format!("{}{}", entry.host, entry.path))
    }

    #[test]
    fn the_most_specific_route_wins() {
        let table = RouteTable::new(vec![
            entry("*.example.kr", ""),
            entry("shop.example.kr", "/api"),
            entry("shop.example.kr", ""),
            entry("shop.example.kr", "/api/v2"),
            entry("*.deep.example.kr", "/only"),
            entry("lonely.example.kr", "/x"),
        ]);
        let check = |host, path, expected: Option<&str>| {
            assert_eq!(
                found(&table, host, path).as_deref(),
                expected,
                "{host}{path}"
            );
        };
        check("shop.example.kr", "/", Some("shop.example.kr"));
        check("SHOP.Example.kr.:8080", "/api", Some("shop.example.kr/api"));
        check("shop.example.kr", "/apis", Some("shop.example.kr"));
        check(
            "shop.example.kr",
            "/api/v2/things",
            Some("shop.example.kr/api/v2"),
        );
        check("shop.example.kr", "/api/v22", Some("shop.example.kr/api"));
        check("other.example.kr", "/", Some("*.example.kr"));
        check("a.deep.example.kr", "/only", Some("*.deep.example.kr/only"));
        check("a.deep.example.kr", "/else", Some("*.example.kr"));
        check("lonely.example.kr", "/y", Some("*.example.kr"));
        check("example.kr", "/", None);
        check("[::1]:80", "/", None);
        check(&"a".repeat(300), "/", None);
    }

    /// What a lookup should find, by trying everything.
    fn scan(entries: &[Arc<Entry>], host: &str, path: &str) -> Option<RouteId> {
        let rank = |entry: &Entry| {
            let host_rank = match entry.host.strip_prefix('*') {
                Some(suffix) => host.ends_with(suffix).then_some(suffix.len())?,
                None => (entry.host == host).then_some(usize::MAX)?,
            };
            let wanted: Vec<&str> = entry.path.split('/').collect();
            let given: Vec<&str> = path.split('/').collect();
            given
                .starts_with(&wanted)
                .then_some((host_rank, wanted.len(), entry.path.len()))
        };
        let mut best: Option<((usize, usize, usize), RouteId)> = None;
        for entry in entries {
            if let Some(rank) = rank(entry)
                && best.is_none_or(|(known, _)| rank > known)
            {
                best = Some((rank, entry.route));
            }
        }
        best.map(|(_, route)| route)
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_scan_finds(
            routes in prop::collection::vec(("(\\*\\.)?([ab]\\.){0,2}[ab]\\.kr", "(/[ab]{1,2}){0,3}"), 0..40),
            asked in prop::collection::vec(("([ab]\\.){0,4}kr", "(/[ab]{1,2}){1,4}/?"), 20),
        ) {
            let entries: Vec<_> = routes.iter().map(|(host, path)| entry(host, path)).collect();
            let table = RouteTable::new(entries.clone());
            for (host, path) in asked {
                let expected = scan(&entries, &host, &path);
                prop_assert_eq!(table.lookup(&host, &path).map(|entry| entry.route), expected);
                let shouted = format!("{}.:8443", host.to_uppercase());
                prop_assert_eq!(table.lookup(&shouted, &path).map(|entry| entry.route), expected);
            }
        }
    }
}
