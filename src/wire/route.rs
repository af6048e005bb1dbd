//! Routes and their destinations.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, MetadataPatch, ToOne, shared};
use crate::model::{AppId, AppProtocol, Destination, DomainName, Route};

/// Body of `POST /v3/routes`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The part before the domain.
    pub host: Option<String>,
    /// The path prefix.
    pub path: Option<String>,
    /// The port of a TCP route; a free one where it is not said.
    pub port: Option<u32>,
    /// Options by name.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub options: BTreeMap<String, Value>,
    /// Where it belongs.
    pub relationships: Relationships,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// Where a route belongs.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Relationships {
    /// The space that owns it.
    pub space: ToOne,
    /// The domain it is under.
    pub domain: ToOne,
}

/// Body of `PATCH /v3/routes/:guid`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Options by name; `null` removes.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub options: BTreeMap<String, Value>,
    /// Changes to labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// Body of `POST` and `PATCH /v3/routes/:guid/destinations`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Destinations {
    /// The destinations.
    pub destinations: Vec<NewDestination>,
}

/// One destination as it comes in.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDestination {
    /// The app.
    pub app: DestinationApp,
    /// The port that it listens on.
    pub port: Option<u32>,
    /// Its share of requests.
    pub weight: Option<u32>,
    /// How to speak to it.
    pub protocol: Option<String>,
}

/// The app of a destination.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct DestinationApp {
    /// The app's guid.
    pub guid: String,
    /// Which of its processes.
    pub process: Option<DestinationProcess>,
}

/// The process of a destination.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct DestinationProcess {
    /// The process type.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Body of `PATCH /v3/routes/:guid/destinations/:guid`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DestinationUpdate {
    /// How to speak to it; `null` for the default.
    pub protocol: Option<String>,
}

/// One route; `domain` is the name of its domain, `port` the port that an app listens on where
/// its destination does not say.
#[must_use]
pub fn present(
    route: &Route,
    domain: &DomainName,
    port: impl Fn(AppId) -> u16,
    base: &Base,
) -> Value {
    let path = format!("/v3/routes/{}", route.id);
    let mut document = json!({
        "guid": route.id.to_string(),
        "created_at": route.created_at.to_string(),
        "updated_at": route.updated_at.to_string(),
        "protocol": if route.port.is_some() { "tcp" } else { "http" },
        "host": route.host,
        "path": route.path,
        "port": route.port,
        "url": route.url(domain),
        "destinations": each(route, port),
        "relationships": {
            "space": shared::to_one(route.space),
            "domain": shared::to_one(route.domain),
        },
        "metadata": shared::metadata(&route.metadata),
        "links": Links::new(base)
            .to("self", &path)
            .to("space", &format!("/v3/spaces/{}", route.space))
            .to("destinations", &format!("{path}/destinations"))
            .to("domain", &format!("/v3/domains/{}", route.domain))
            .json(),
    });
    // Clients choke on a null here, so no options means no member.
    if !route.options.is_empty() {
        document["options"] = json!(route.options);
    }
    document
}

/// The document of a route's destinations; `port` as for [`present`].
#[must_use]
pub fn destinations(route: &Route, port: impl Fn(AppId) -> u16, base: &Base) -> Value {
    let path = format!("/v3/routes/{}", route.id);
    json!({
        "destinations": each(route, port),
        "links": Links::new(base)
            .to("self", &format!("{path}/destinations"))
            .to("route", &path)
            .json(),
    })
}

fn each(route: &Route, port: impl Fn(AppId) -> u16) -> Vec<Value> {
    let each = route.destinations.iter();
    each.map(|one| destination(one, port(one.app))).collect()
}

/// One destination; its app listens on `port` where it does not say.
#[must_use]
pub fn destination(destination: &Destination, port: u16) -> Value {
    json!({
        "guid": destination.id.to_string(),
        "app": {
            "guid": destination.app.to_string(),
            "process": { "type": destination.process_type },
        },
        "weight": destination.weight,
        "port": destination.port.unwrap_or(port),
        "protocol": protocol(destination.protocol),
    })
}

/// The name of a protocol.
#[must_use]
pub const fn protocol(protocol: AppProtocol) -> &'static str {
    match protocol {
        AppProtocol::Http1 => "http1",
        AppProtocol::Http2 => "http2",
        AppProtocol::Tcp => "tcp",
    }
}

/// The protocol with this name.
#[must_use]
pub fn parse_protocol(text: &str) -> Option<AppProtocol> {
    let all = [AppProtocol::Http1, AppProtocol::Http2, AppProtocol::Tcp];
    all.into_iter().find(|known| protocol(*known) == text)
}

/// The ways to choose an instance that the option `loadbalancing` knows.
pub const BALANCES: [&str; 2] = ["round-robin", "least-connection"];

/// Most bytes of a route's options as they come (Cloud Foundry's `max_route_options_size`).
const LONGEST_OPTIONS: usize = 1024;

/// Applies `changes` to a route's options: a value sets, nothing removes.
///
/// # Errors
/// Words for the user about everything that is wrong.
pub fn apply_options(
    options: &mut BTreeMap<String, String>,
    changes: &BTreeMap<String, Value>,
) -> Result<(), Vec<String>> {
    let mut errors = Vec::new();
    if json!(changes).to_string().len() > LONGEST_OPTIONS {
        return Err(vec![format!(
            "Route options size exceeded: options must be smaller than {LONGEST_OPTIONS} bytes."
        )]);
    }
    let mut unknown = Vec::new();
    for (name, value) in changes {
        let balance = value.as_str().filter(|value| BALANCES.contains(value));
        match (name.as_str(), balance) {
            ("loadbalancing", Some(balance)) => {
                options.insert(name.clone(), balance.to_owned());
            }
            ("loadbalancing", None) if is_blank(value) => {
                options.remove(name);
            }
            ("loadbalancing", None) => errors.push(format!(
                "Options Loadbalancing must be one of '{}' if present",
                BALANCES.join(", ")
            )),
            _ => unknown.push(format!("'{name}'")),
        }
    }
    if !unknown.is_empty() {
        errors.push(format!("Options Unknown field(s): {}", unknown.join(", ")));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// What is wrong with the options that a manifest names for the route `url`.
#[must_use]
pub fn wrong_in_manifest(url: &str, options: &BTreeMap<String, Value>) -> Vec<String> {
    let valid = BALANCES.join(", ");
    let each = options.iter().filter_map(|(name, value)| {
        if name != "loadbalancing" {
            return Some(format!(
                "Route '{url}' contains invalid route option '{name}'. Valid keys: 'loadbalancing'"
            ));
        }
        match value {
            Value::String(text) if BALANCES.contains(&text.as_str()) => None,
            Value::String(text) => Some(format!(
                "Cannot use loadbalancing value '{text}' for Route '{url}'; Valid values are: \
                 '{valid}'"
            )),
            _ => Some(format!(
                "Invalid value for 'loadbalancing' for Route '{url}'; Valid values are: '{valid}'"
            )),
        }
    });
    each.collect()
}
