//! The network-policy API: which app may reach which other. Its shapes and words are those of
//! Cloud Foundry's policy server, not of the v3 API.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::{AppId, PeerPolicy, PeerProtocol, PortRange};

/// Most policies in one request.
const MOST: usize = 1_000;

/// Which of the API's two versions is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// One port, or tags.
    V0,
    /// A range of ports.
    V1,
}

/// A policy as clients name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Who may reach.
    pub source: AppId,
    /// Who may be reached.
    pub destination: AppId,
    /// By what.
    pub protocol: PeerProtocol,
    /// Where.
    pub ports: PortRange,
}

/// Body of POST `policies` and `policies/delete`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Policies {
    #[serde(default)]
    /// The policies.
    policies: Vec<Policy>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Policy {
    #[serde(default)]
    source: Source,
    #[serde(default)]
    destination: Destination,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Source {
    id: String,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Destination {
    id: String,
    protocol: String,
    port: Option<u16>,
    ports: Option<Ports>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Ports {
    start: u16,
    end: u16,
}

/// The policies in a body of POST `policies` and `policies/delete`.
///
/// # Errors
/// Words for the user about the first thing that is wrong.
pub fn parse(body: &[u8], version: Version) -> Result<Vec<Wanted>, String> {
    let body: Policies =
        serde_json::from_slice(body).map_err(|error| format!("mapper: unmarshal json: {error}"))?;
    if body.policies.is_empty() {
        return Err("mapper: validate policies: missing policies".to_owned());
    }
    if body.policies.len() > MOST {
        return Err(format!(
            "mapper: validate policies: at most {MOST} policies in one request"
        ));
    }
    let each = body.policies.into_iter();
    each.map(|policy| wanted(&policy, version))
        .collect::<Result<_, _>>()
        .map_err(|error| format!("mapper: validate policies: {error}"))
}

fn wanted(policy: &Policy, version: Version) -> Result<Wanted, String> {
    let app = |id: &str, what: &str| {
        if id.is_empty() {
            return Err(format!("missing {what} id"));
        }
        id.parse::<AppId>()
            .map_err(|_| format!("{what} id {id:?} is not the guid of an app"))
    };
    let to = &policy.destination;
    let source = app(&policy.source.id, "source")?;
    let destination = app(&to.id, "destination")?;
    let protocol = match to.protocol.as_str() {
        "tcp" => PeerProtocol::Tcp,
        "udp" => PeerProtocol::Udp,
        _ => return Err("invalid destination protocol, specify either udp or tcp".to_owned()),
    };
    let (first, last) = match (version, to.port, &to.ports) {
        (Version::V0, Some(port), _) => (port, port),
        (Version::V1, _, Some(ports)) => (ports.start, ports.end),
        _ => return Err("missing destination ports".to_owned()),
    };
    if first == 0 || last < first {
        return Err(format!(
            "invalid port range {first}-{last}, start must be less than or equal to end and \
             both from 1 to 65535"
        ));
    }
    Ok(Wanted {
        source,
        destination,
        protocol,
        ports: PortRange { first, last },
    })
}

/// The list of policies. In version 0 only those of a single port can be told.
#[must_use]
pub fn present<'a>(policies: impl Iterator<Item = &'a PeerPolicy>, version: Version) -> Value {
    let told = policies.filter_map(|policy| {
        let mut destination = json!({
            "id": policy.destination.to_string(),
            "protocol": policy.protocol,
        });
        let PortRange { first, last } = policy.ports;
        match version {
            Version::V0 if first != last => return None,
            Version::V0 => destination["port"] = first.into(),
            Version::V1 => destination["ports"] = json!({ "start": first, "end": last }),
        }
        Some(json!({
            "source": { "id": policy.source.to_string() },
            "destination": destination,
        }))
    });
    let told: Vec<Value> = told.collect();
    json!({ "total_policies": told.len(), "policies": told })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(destination: Value) -> Vec<u8> {
        let mut policy = json!({
            "source": { "id": AppId::random().to_string() },
            "destination": { "id": AppId::random().to_string(), "protocol": "tcp" },
        });
        if let (Some(into), Value::Object(more)) =
            (policy["destination"].as_object_mut(), destination)
        {
            into.extend(more);
        }
        json!({ "policies": [policy] }).to_string().into_bytes()
    }

    #[test]
    fn ports_are_one_in_the_old_version_and_a_range_in_the_new() {
        let check = |destination: Value, version, expected: Result<(u16, u16), &str>| {
            let shown = destination.to_string();
            let parsed = parse(&body(destination), version);
            match (parsed, expected) {
                (Ok(wanted), Ok((first, last))) => {
                    assert_eq!(wanted[0].ports, PortRange { first, last });
                }
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                (parsed, _) => panic!("{shown}: {parsed:?}"),
            }
        };
        let range = |start, end| json!({ "ports": { "start": start, "end": end } });
        check(range(8080, 8090), Version::V1, Ok((8080, 8090)));
        check(json!({ "port": 80 }), Version::V0, Ok((80, 80)));
        check(
            json!({ "port": 80 }),
            Version::V1,
            Err("missing destination ports"),
        );
        check(range(2, 1), Version::V1, Err("invalid port range"));
        check(range(0, 1), Version::V1, Err("invalid port range"));
        check(range(1, 70_000), Version::V1, Err("unmarshal"));
        check(
            json!({ "protocol": "icmp", "port": 1 }),
            Version::V0,
            Err("specify either udp or tcp"),
        );
        check(
            json!({ "id": "", "port": 1 }),
            Version::V0,
            Err("missing destination id"),
        );
        assert!(
            parse(b"{}", Version::V1)
                .unwrap_err()
                .contains("missing policies")
        );
        assert!(parse(b"[", Version::V1).unwrap_err().contains("unmarshal"));
    }
}
