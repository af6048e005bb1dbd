//! Which addresses a service's credentials name.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Grant;

/// How deep objects in each other are looked into.
const DEEPEST: usize = 8;
/// Most addresses of one service.
const MOST: usize = 32;
/// Longest host name (RFC 1035, 2.3.4).
const LONGEST_HOST: usize = 253;

/// Ports of schemes where a URL names none (IANA, or the products' own defaults).
const PORTS: [(&str, u16); 27] = [
    ("amqp", 5672),
    ("amqps", 5671),
    ("cassandra", 9042),
    ("clickhouse", 9000),
    ("couchdb", 5984),
    ("ftp", 21),
    ("http", 80),
    ("https", 443),
    ("ldap", 389),
    ("ldaps", 636),
    ("mariadb", 3306),
    ("memcached", 11211),
    ("mongodb", 27017),
    ("mqtt", 1883),
    ("mqtts", 8883),
    ("mysql", 3306),
    ("nats", 4222),
    ("oracle", 1521),
    ("postgres", 5432),
    ("postgresql", 5432),
    ("redis", 6379),
    ("rediss", 6379),
    ("sftp", 22),
    ("smtp", 25),
    ("smtps", 465),
    ("sqlserver", 1433),
    ("zookeeper", 2181),
];

/// The hosts and ports that `credentials` name: values of keys such as `uri`, `url` or `jdbcUrl`,
/// and `host` or `hostname` beside `port`, also in objects inside. In order, each once.
#[must_use]
pub fn named_in(credentials: &Map<String, Value>) -> Vec<Grant> {
    let mut found = BTreeSet::new();
    look(credentials, 0, &mut found);
    let grants = found.into_iter().take(MOST);
    grants.map(|(host, port)| Grant { host, port }).collect()
}

/// The hosts and ports of the URLs in `text`, which may be a list as in `GOPROXY`.
#[must_use]
pub fn named_by(text: &str) -> Vec<Grant> {
    let urls = text.split(|c: char| c.is_whitespace() || c == ',' || c == '|');
    let found: BTreeSet<_> = urls.flat_map(addresses).collect();
    let grants = found.into_iter().take(MOST);
    grants.map(|(host, port)| Grant { host, port }).collect()
}

fn look(members: &Map<String, Value>, depth: usize, found: &mut BTreeSet<(String, u16)>) {
    let port = members
        .iter()
        .find_map(|(key, value)| key.eq_ignore_ascii_case("port").then(|| port_in(value))?);
    for (key, value) in members {
        let key = key.to_ascii_lowercase();
        match value {
            Value::String(text) if key.ends_with("uri") || key.ends_with("url") => {
                found.extend(addresses(text));
            }
            Value::String(text) if key == "host" || key == "hostname" => {
                found.extend(host_in(text).zip(port));
            }
            Value::Array(items) if key.ends_with("uris") || key.ends_with("urls") => {
                let texts = items.iter().filter_map(Value::as_str);
                found.extend(texts.flat_map(addresses));
            }
            Value::Object(inner) if depth < DEEPEST => look(inner, depth + 1, found),
            _ => {}
        }
    }
}

fn port_in(value: &Value) -> Option<u16> {
    let port = match value {
        Value::Number(number) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
        Value::String(text) => digits(text),
        _ => None,
    };
    port.filter(|port| *port > 0)
}

fn digits(text: &str) -> Option<u16> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// A host name or address in lower case, an IPv6 one without brackets.
fn host_in(text: &str) -> Option<String> {
    let inside = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let host = inside.unwrap_or(text).to_ascii_lowercase();
    let is_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
    let is_name = !host.is_empty()
        && host.len() <= LONGEST_HOST
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    (is_v6 || (is_name && inside.is_none())).then_some(host)
}

/// The hosts and ports of a URL such as `postgres://me:secret@db:5432/x` or
/// `jdbc:mysql://db/x`; some name several: `mongodb://a:1,b:2/x`.
fn addresses(url: &str) -> Vec<(String, u16)> {
    let url = url.trim();
    let url = match url.get(..5) {
        Some(start) if start.eq_ignore_ascii_case("jdbc:") => &url[5..],
        _ => url,
    };
    let Some((before, rest)) = url.split_once("//") else {
        return Vec::new();
    };
    // `oracle:thin:@` and `mongodb+srv:` begin with the scheme, too.
    let scheme = before.split([':', '+']).next().unwrap_or_default();
    let scheme = scheme.to_ascii_lowercase();
    let usual = PORTS.iter().find(|(name, _)| *name == scheme);
    let usual = usual.map(|(_, port)| *port);
    let authority = rest.split(['/', '?', '#', ';', '\\']).next();
    let authority = authority.unwrap_or_default();
    let hosts = authority.rsplit('@').next().unwrap_or_default();
    let each = hosts.split(',').filter_map(|one| {
        let (host, port) = match one.rsplit_once(':') {
            // The last colon of `[::1]` is not before a port.
            Some((host, port)) if !port.ends_with(']') => (host, Some(digits(port)?)),
            _ => (one, None),
        };
        // A bare IPv6 address cannot stand in a URL.
        if host.contains(':') && !host.starts_with('[') {
            return None;
        }
        let port = port.or(usual).filter(|port| *port > 0)?;
        Some((host_in(host)?, port))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(credentials: Value, expected: &[(&str, u16)]) {
        let shown = credentials.to_string();
        let Value::Object(credentials) = credentials else {
            panic!("{shown}");
        };
        let found = named_in(&credentials);
        let found: Vec<_> = found.iter().map(|g| (g.host.as_str(), g.port)).collect();
        assert_eq!(found, expected, "{shown}");
    }

    #[test]
    fn urls_and_hosts_with_ports_are_found() {
        check(
            json!({ "uri": "postgres://me:p@ss@DB.local:6432/x" }),
            &[("db.local", 6432)],
        );
        check(json!({ "url": "mysql://db/x" }), &[("db", 3306)]);
        check(
            json!({ "jdbcUrl": "jdbc:mysql://db:3307/x?user=a" }),
            &[("db", 3307)],
        );
        check(
            json!({ "jdbc_url": "jdbc:sqlserver://db:1433;databaseName=x" }),
            &[("db", 1433)],
        );
        check(
            json!({ "jdbcurl": "jdbc:oracle:thin:@//db:1522/x" }),
            &[("db", 1522)],
        );
        check(
            json!({ "uri": "mongodb://u:p@a:1,b:2,c/x" }),
            &[("a", 1), ("b", 2), ("c", 27017)],
        );
        check(
            json!({ "uri": "amqp://[2001:DB8::1]:5672" }),
            &[("2001:db8::1", 5672)],
        );
        check(
            json!({ "host": "10.0.0.5", "port": 5432 }),
            &[("10.0.0.5", 5432)],
        );
        check(json!({ "hostname": "db", "port": "5432" }), &[("db", 5432)]);
        check(json!({ "HOST": "::1", "Port": 1 }), &[("::1", 1)]);
        check(
            json!({ "reader": { "host": "r", "port": 1 }, "urls": ["http://w"] }),
            &[("r", 1), ("w", 80)],
        );
        check(
            json!({ "uri": "redis://db", "host": "db", "port": 6379 }),
            &[("db", 6379)],
        );
    }

    #[test]
    fn nothing_else_is_found() {
        check(json!({}), &[]);
        check(json!({ "host": "db" }), &[]);
        check(json!({ "port": 5432 }), &[]);
        check(json!({ "host": "db", "port": 0 }), &[]);
        check(json!({ "host": "db", "port": 65_536 }), &[]);
        check(json!({ "host": "0.0.0.0/0", "port": 1 }), &[]);
        check(json!({ "host": "*", "port": 1 }), &[]);
        check(json!({ "uri": "db:5432" }), &[]);
        check(json!({ "uri": "unknown://db" }), &[]);
        check(json!({ "uri": "http://db:99999" }), &[]);
        check(json!({ "uri": "http://db:80x" }), &[]);
        check(json!({ "uri": "http:///x" }), &[]);
        check(json!({ "uri": ["http://db"] }), &[]);
        check(json!({ "password": "http://db" }), &[]);
        check(json!({ "note": { "text": "host:port" } }), &[]);
    }

    proptest! {
        #[test]
        fn whatever_is_found_is_a_host_and_a_port(url: String, host: String, port: u16) {
            let credentials = json!({ "uri": url, "host": host, "port": port });
            for grant in named_in(credentials.as_object().unwrap()) {
                prop_assert!(grant.port > 0);
                prop_assert!(!grant.host.contains(['/', '*', ',', '@', '[', ' ']));
                prop_assert!(!grant.host.is_empty() && grant.host.len() <= LONGEST_HOST);
            }
        }
    }
}
