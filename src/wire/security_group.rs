//! Security groups.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Base, Links, Relationship, ToMany, shared};
use crate::model::{
    Reach, RuleProtocol, SecurityGroup, SecurityRule, SpaceId, Workload, address_range, port_ranges,
};

/// Most rules of a group: each is told to every instance that it holds for.
const MOST_RULES: usize = 1_000;
/// Most destinations of all rules of a group (Cloud Foundry's limit for one rule).
const MOST_DESTINATIONS: usize = 6_000;
/// Longest description of a rule, in characters.
const LONGEST_DESCRIPTION: usize = 5_000;

/// Body of `POST /v3/security_groups`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The name.
    pub name: String,
    /// What it opens; checked by [`rules`].
    #[serde(default)]
    pub rules: Value,
    /// Whether it holds in every space.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub globally_enabled: GloballyEnabled,
    /// The spaces where it holds.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub relationships: Relationships,
}

/// Whether a group holds in every space.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GloballyEnabled {
    /// For what runs.
    pub running: Option<bool>,
    /// For builds.
    pub staging: Option<bool>,
}

/// The spaces where a group holds.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Relationships {
    /// For what runs.
    pub running_spaces: Option<ToMany>,
    /// For builds.
    pub staging_spaces: Option<ToMany>,
}

/// Body of `PATCH /v3/security_groups/:guid`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// A new name.
    pub name: Option<String>,
    /// What it opens instead.
    pub rules: Option<Value>,
    /// Whether it holds in every space.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub globally_enabled: GloballyEnabled,
}

/// One group, with those of its spaces that `sees` lets through.
#[must_use]
pub fn present(group: &SecurityGroup, sees: impl Fn(SpaceId) -> bool, base: &Base) -> Value {
    let path = format!("/v3/security_groups/{}", group.id);
    let spaces = |reach: &Reach| shared::to_many(reach.spaces.iter().filter(|space| sees(**space)));
    json!({
        "guid": group.id.to_string(),
        "created_at": group.created_at.to_string(),
        "updated_at": group.updated_at.to_string(),
        "name": group.name,
        "rules": group.rules,
        "globally_enabled": {
            "running": group.running.everywhere,
            "staging": group.staging.everywhere,
        },
        "relationships": {
            "running_spaces": spaces(&group.running),
            "staging_spaces": spaces(&group.staging),
        },
        "links": Links::new(base).to("self", &path).json(),
    })
}

/// The spaces where a group holds for `workload`, as far as `sees` lets them through.
#[must_use]
pub fn present_spaces(
    group: &SecurityGroup,
    workload: Workload,
    sees: impl Fn(SpaceId) -> bool,
    base: &Base,
) -> Value {
    let name = match workload {
        Workload::Running => "running_spaces",
        Workload::Staging => "staging_spaces",
    };
    let spaces = &group.reach(workload).spaces;
    let mut document = shared::to_many(spaces.iter().filter(|space| sees(**space)));
    let path = format!("/v3/security_groups/{}/relationships/{name}", group.id);
    document["links"] = json!({ "self": base.link(&path) });
    document
}

/// The spaces that a relationship names; `Err` has the guids of none.
///
/// # Errors
/// Where a guid is none.
pub fn space_ids(many: &ToMany) -> Result<BTreeSet<SpaceId>, Vec<String>> {
    let (mut ids, mut bad) = (BTreeSet::new(), Vec::new());
    for item in &many.data {
        match Relationship::id(item) {
            Some(id) => drop(ids.insert(id)),
            None => bad.push(item.guid.clone()),
        }
    }
    if bad.is_empty() { Ok(ids) } else { Err(bad) }
}

/// The rules in `value`: an array, or nothing.
///
/// # Errors
/// Words for the user about everything that is wrong, in Cloud Foundry's own.
pub fn rules(value: &Value) -> Result<Vec<SecurityRule>, Vec<String>> {
    let items = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(items) => items,
        _ => return Err(vec!["Rules must be an array".to_owned()]),
    };
    if items.len() > MOST_RULES {
        return Err(vec![format!(
            "Rules must be at most {MOST_RULES} in one security group"
        )]);
    }
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    let mut destinations = 0_usize;
    // Cloud Foundry passes over `null`, which Terraform's provider sends for no rules.
    let given = items.iter().enumerate().filter(|(_, item)| !item.is_null());
    for (index, item) in given {
        match rule(item) {
            Ok(rule) => {
                destinations += rule.destination.split(',').count();
                rules.push(rule);
            }
            Err(wrong) => errors.extend(
                wrong
                    .into_iter()
                    .map(|text| format!("Rules[{index}]: {text}")),
            ),
        }
    }
    if destinations > MOST_DESTINATIONS {
        errors.push(format!(
            "Rules must name at most {MOST_DESTINATIONS} destinations in one security group"
        ));
    }
    if errors.is_empty() {
        Ok(rules)
    } else {
        Err(errors)
    }
}

const KEYS: [&str; 7] = [
    "code",
    "description",
    "destination",
    "log",
    "ports",
    "protocol",
    "type",
];

fn rule(value: &Value) -> Result<SecurityRule, Vec<String>> {
    let Value::Object(members) = value else {
        return Err(vec!["must be an object".to_owned()]);
    };
    let mut errors = Vec::new();
    let unknown: Vec<&String> = members
        .keys()
        .filter(|key| !KEYS.contains(&key.as_str()))
        .collect();
    if !unknown.is_empty() {
        errors.push(format!("unknown field(s): {unknown:?}"));
    }
    let protocol = protocol(members, &mut errors);
    let destination = destination(members, protocol, &mut errors);
    let description = match said(members, "description") {
        None => None,
        Some(Value::String(text)) if text.chars().count() <= LONGEST_DESCRIPTION => {
            Some(text.clone())
        }
        Some(Value::String(_)) => {
            errors.push(format!(
                "description must be at most {LONGEST_DESCRIPTION} characters"
            ));
            None
        }
        Some(_) => {
            errors.push("description must be a string".to_owned());
            None
        }
    };
    let log = match said(members, "log") {
        None => None,
        Some(Value::Bool(log)) => Some(*log),
        Some(_) => {
            errors.push("log must be a boolean".to_owned());
            None
        }
    };
    let ports = ports(members, protocol, &mut errors);
    let (kind, code) = match protocol {
        Some(RuleProtocol::Icmp | RuleProtocol::Icmpv6) => (
            icmp(members, "type", &mut errors),
            icmp(members, "code", &mut errors),
        ),
        _ => (None, None),
    };
    match (protocol, destination) {
        (Some(protocol), Some(destination)) if errors.is_empty() => Ok(SecurityRule {
            protocol,
            destination,
            ports,
            kind,
            code,
            description,
            log,
        }),
        _ => Err(errors),
    }
}

/// What is said of `key`; null says nothing.
fn said<'a>(members: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    members.get(key).filter(|value| !value.is_null())
}

fn protocol(members: &Map<String, Value>, errors: &mut Vec<String>) -> Option<RuleProtocol> {
    let named = members.get("protocol").filter(|value| value.is_string());
    let found = named.and_then(|value| RuleProtocol::deserialize(value).ok());
    if found.is_none() {
        errors.push("protocol must be 'tcp', 'udp', 'icmp', 'icmpv6' or 'all'".to_owned());
    }
    found
}

fn destination(
    members: &Map<String, Value>,
    protocol: Option<RuleProtocol>,
    errors: &mut Vec<String>,
) -> Option<String> {
    let text = match said(members, "destination") {
        None => {
            errors.push(
                "nil destination; destination must be a comma-delimited list of valid CIDRs, IP \
                 addresses, or IP address ranges"
                    .to_owned(),
            );
            return None;
        }
        Some(Value::String(text)) => text,
        Some(_) => {
            errors.push("destination must be a string".to_owned());
            return None;
        }
    };
    if text.chars().any(char::is_whitespace) {
        errors.push("destination must not contain whitespace".to_owned());
        return None;
    }
    if text.split(',').count() > MOST_DESTINATIONS {
        errors.push(format!(
            "maximum destinations per rule exceeded - must be under {MOST_DESTINATIONS}"
        ));
        return None;
    }
    let before = errors.len();
    for part in text.split(',') {
        if part.is_empty() {
            errors.push("empty destination specified in comma-delimited list".to_owned());
            continue;
        }
        match (address_range(part), protocol) {
            (Err(error), _) => errors.push(error.to_string()),
            (Ok((first, _)), Some(RuleProtocol::Icmp)) if first.is_ipv6() => {
                errors.push("for protocol \"icmp\" you cannot use IPv6 addresses".to_owned());
            }
            (Ok((first, _)), Some(RuleProtocol::Icmpv6)) if first.is_ipv4() => {
                errors.push("for protocol \"icmpv6\" you cannot use IPv4 addresses".to_owned());
            }
            _ => {}
        }
    }
    // The same words about thousands of parts help nobody.
    let mut seen = BTreeSet::new();
    let own = errors.split_off(before);
    errors.extend(own.into_iter().filter(|text| seen.insert(text.clone())));
    (errors.len() == before).then(|| text.clone())
}

fn ports(
    members: &Map<String, Value>,
    protocol: Option<RuleProtocol>,
    errors: &mut Vec<String>,
) -> Option<String> {
    const SHAPE: &str = "ports must be a valid single port, comma separated list of ports, or \
                         range or ports, formatted as a string";
    let given = said(members, "ports");
    match (protocol, given) {
        (Some(RuleProtocol::Tcp | RuleProtocol::Udp), None) => {
            errors.push("ports are required for protocols of type TCP and UDP".to_owned());
            errors.push(SHAPE.to_owned());
        }
        (Some(RuleProtocol::Tcp | RuleProtocol::Udp), Some(Value::String(text)))
            if port_ranges(text).is_some() =>
        {
            return Some(text.clone());
        }
        (Some(RuleProtocol::Tcp | RuleProtocol::Udp), Some(_)) => errors.push(SHAPE.to_owned()),
        (Some(RuleProtocol::All), Some(_)) => {
            errors.push("ports are not allowed for protocols of type all".to_owned());
        }
        _ => {}
    }
    None
}

fn icmp(members: &Map<String, Value>, key: &str, errors: &mut Vec<String>) -> Option<i16> {
    let number = said(members, key);
    if number.is_none() {
        errors.push(format!("{key} is required for protocols of type ICMP"));
    }
    let found = number
        .and_then(Value::as_i64)
        .and_then(|number| i16::try_from(number).ok())
        .filter(|number| (-1..=255).contains(number));
    if found.is_none() {
        errors.push(format!(
            "{key} must be an integer between -1 and 255 (inclusive)"
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: Value, expected: &[&str]) {
        let shown = rule.to_string();
        let found = rules(&Value::Array(vec![rule])).err().unwrap_or_default();
        let expected: Vec<_> = expected
            .iter()
            .map(|text| format!("Rules[0]: {text}"))
            .collect();
        assert_eq!(found, expected, "{shown}");
    }

    const PORTS: &str = "ports must be a valid single port, comma separated list of ports, or \
                         range or ports, formatted as a string";

    #[test]
    fn rules_are_held_to_cloud_foundrys_rules_in_its_words() {
        let any = "0.0.0.0/0";
        check(json!({ "protocol": "all", "destination": any }), &[]);
        check(
            json!({ "protocol": "tcp", "destination": "10.0.0.1,::1", "ports": "80,443",
                "log": true, "description": "x" }),
            &[],
        );
        check(
            json!({ "protocol": "icmp", "destination": any, "type": -1, "code": 255 }),
            &[],
        );
        check(
            json!({ "protocol": "icmpv6", "destination": "::/0", "type": 1, "code": 1 }),
            &[],
        );
        check(json!([]), &["must be an object"]);
        check(
            json!({ "protocol": "gre", "destination": any }),
            &["protocol must be 'tcp', 'udp', 'icmp', 'icmpv6' or 'all'"],
        );
        check(
            json!({ "protocol": "tcp", "destination": any }),
            &[
                "ports are required for protocols of type TCP and UDP",
                PORTS,
            ],
        );
        check(
            json!({ "protocol": "udp", "destination": any, "ports": 53 }),
            &[PORTS],
        );
        check(
            json!({ "protocol": "all", "destination": any, "ports": "53" }),
            &["ports are not allowed for protocols of type all"],
        );
        check(
            json!({ "protocol": "icmp", "destination": any, "type": 256, "code": "1" }),
            &[
                "type must be an integer between -1 and 255 (inclusive)",
                "code must be an integer between -1 and 255 (inclusive)",
            ],
        );
        check(
            json!({ "protocol": "icmp", "destination": "::1", "type": 0, "code": 0 }),
            &["for protocol \"icmp\" you cannot use IPv6 addresses"],
        );
        check(
            json!({ "protocol": "all", "destination": "10.0.0.1, 10.0.0.2" }),
            &["destination must not contain whitespace"],
        );
        check(
            json!({ "protocol": "all", "destination": "10.0.0.1,", "colour": 1, "log": "yes" }),
            &[
                "unknown field(s): [\"colour\"]",
                "empty destination specified in comma-delimited list",
                "log must be a boolean",
            ],
        );
        check(
            json!({ "protocol": "all", "destination": "example.kr" }),
            &["destination must contain valid CIDR(s), IP address(es), or IP address range(s)"],
        );
        check(
            json!({ "protocol": "all" }),
            &[
                "nil destination; destination must be a comma-delimited list of valid CIDRs, IP \
               addresses, or IP address ranges",
            ],
        );
    }

    #[test]
    fn huge_groups_are_refused() {
        let one = json!({ "protocol": "all", "destination": "10.0.0.1" });
        let many = Value::Array(vec![one; MOST_RULES + 1]);
        assert!(rules(&many).unwrap_err()[0].contains("at most 1000"));
        let long = vec!["10.0.0.1"; MOST_DESTINATIONS / 2].join(",");
        let one = json!({ "protocol": "all", "destination": long });
        assert!(rules(&json!([one, one])).is_ok());
        assert!(rules(&json!([one, one, one])).is_err());
        let bad = vec!["x"; MOST_DESTINATIONS].join(",");
        let one = json!({ "protocol": "all", "destination": bad });
        assert_eq!(rules(&json!([one])).unwrap_err().len(), 1);
    }
}
