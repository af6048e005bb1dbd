//! The parts of the API's resources that the verbs read. What is not read is not named, so
//! that a newer platform can say more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A list that is not paged.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Resources<T> {
    pub(crate) resources: Vec<T>,
}

/// A relationship to one thing.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Data {
    pub(crate) guid: String,
}

/// A relationship as the API writes it.
pub(crate) fn guid(guid: &str) -> Value {
    serde_json::json!({"data": {"guid": guid}})
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct App {
    pub(crate) guid: String,
    pub(crate) name: String,
    pub(crate) state: String,
}

impl App {
    pub(crate) fn started(&self) -> bool {
        self.state == "STARTED"
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Process {
    pub(crate) guid: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) command: Option<String>,
    pub(crate) instances: u32,
    pub(crate) memory_in_mb: u64,
    pub(crate) disk_in_mb: u64,
    pub(crate) relationships: Option<ProcessRelationships>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ProcessRelationships {
    pub(crate) app: Relationship,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Relationship {
    pub(crate) data: Data,
}

/// One instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stats {
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    pub(crate) index: u32,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) uptime: Option<u64>,
    #[serde(default)]
    pub(crate) mem_quota: Option<u64>,
    #[serde(default)]
    pub(crate) disk_quota: Option<u64>,
    #[serde(default)]
    pub(crate) details: Option<String>,
    #[serde(default)]
    pub(crate) usage: Option<Usage>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Usage {
    #[serde(default)]
    pub(crate) cpu: f64,
    #[serde(default)]
    pub(crate) mem: u64,
    #[serde(default)]
    pub(crate) disk: u64,
    /// Bytes of its way out; another platform does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rx_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tx_bytes: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Route {
    pub(crate) guid: String,
    pub(crate) url: String,
    pub(crate) destinations: Vec<Destination>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Destination {
    pub(crate) guid: Option<String>,
    pub(crate) app: Data,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Domain {
    pub(crate) guid: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) guid: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) data: Value,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Build {
    pub(crate) guid: String,
    pub(crate) state: String,
    pub(crate) error: Option<String>,
    pub(crate) droplet: Option<Data>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Droplet {
    pub(crate) stack: Option<String>,
    pub(crate) buildpacks: Option<Vec<Buildpack>>,
    pub(crate) image: Option<String>,
    #[serde(default)]
    pub(crate) process_types: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Buildpack {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    pub(crate) created_at: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) actor: Actor,
    #[serde(default)]
    pub(crate) data: Value,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Actor {
    pub(crate) name: Option<String>,
}
