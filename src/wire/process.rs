//! Processes.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Base, Links, MetadataPatch, shared};
use crate::model::{HealthCheck, HealthKind, Process, ReadinessCheck};

/// Body of `PATCH /v3/processes/:guid`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// A start command; `null` for the droplet's.
    #[serde(default, deserialize_with = "shared::maybe_null")]
    pub command: Option<Option<String>>,
    /// Changes to the start-up and liveness check.
    pub health_check: Option<HealthPatch>,
    /// Changes to the readiness check.
    pub readiness_health_check: Option<HealthPatch>,
    /// Changes to labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// Changes to a check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct HealthPatch {
    /// `port`, `http` or `process`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The rest; absent members stay.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub data: HealthData,
}

/// What a check takes besides its type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct HealthData {
    /// For `http`, the path.
    pub endpoint: Option<String>,
    /// Seconds until the first success must have come; `null` for the default.
    #[serde(default, deserialize_with = "shared::maybe_null")]
    pub timeout: Option<Option<i64>>,
    /// Seconds that one check may take; `null` for the default.
    #[serde(default, deserialize_with = "shared::maybe_null")]
    pub invocation_timeout: Option<Option<i64>>,
    /// Seconds between checks; `null` for the default.
    #[serde(default, deserialize_with = "shared::maybe_null")]
    pub interval: Option<Option<i64>>,
}

/// Body of `POST /v3/processes/:guid/actions/scale`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// How many instances.
    pub instances: Option<i64>,
    /// Memory of one.
    pub memory_in_mb: Option<i64>,
    /// Disk of one.
    pub disk_in_mb: Option<i64>,
    /// Log bytes per second of one; -1 for no limit.
    pub log_rate_limit_in_bytes_per_second: Option<i64>,
}

/// One process; `command` is what would run, or a note that it is hidden.
#[must_use]
pub fn present(process: &Process, command: Option<&str>, base: &Base) -> Value {
    let path = format!("/v3/processes/{}", process.id);
    let app = format!("/v3/apps/{}", process.app);
    json!({
        "guid": process.id.to_string(),
        "created_at": process.created_at.to_string(),
        "updated_at": process.updated_at.to_string(),
        "type": process.process_type,
        "command": command,
        "instances": process.instances,
        "memory_in_mb": process.memory.0,
        "disk_in_mb": process.disk.0,
        "log_rate_limit_in_bytes_per_second": process.log_rate_limit,
        "version": version(process),
        "health_check": health(&process.health),
        "readiness_health_check": readiness(&process.readiness),
        "relationships": {
            "app": shared::to_one(process.app),
            "revision": process.revision.map(shared::to_one),
        },
        "metadata": shared::metadata(&process.metadata),
        "links": Links::new(base)
            .to("self", &path)
            .action("scale", &format!("{path}/actions/scale"), "POST")
            .to("app", &app)
            .to("space", &format!("{app}/relationships/space"))
            .to("stats", &format!("{path}/stats"))
            .to("process_instances", &format!("{path}/process_instances"))
            .json(),
    })
}

fn version(process: &Process) -> String {
    format!("{}-{}", process.id, process.generation)
}

fn health(check: &HealthCheck) -> Value {
    let mut data = Map::new();
    data.insert("timeout".to_owned(), json!(check.timeout));
    data.insert(
        "invocation_timeout".to_owned(),
        json!(check.invocation_timeout),
    );
    data.insert("interval".to_owned(), json!(check.interval));
    kind(&check.kind, data)
}

fn readiness(check: &ReadinessCheck) -> Value {
    let mut data = Map::new();
    data.insert(
        "invocation_timeout".to_owned(),
        json!(check.invocation_timeout),
    );
    data.insert("interval".to_owned(), json!(check.interval));
    kind(&check.kind, data)
}

fn kind(kind: &HealthKind, mut data: Map<String, Value>) -> Value {
    if let HealthKind::Http { endpoint } = kind {
        data.insert("endpoint".to_owned(), json!(endpoint));
    }
    json!({ "type": kind_name(kind), "data": data })
}

/// A check's type as the API spells it.
#[must_use]
pub const fn kind_name(kind: &HealthKind) -> &'static str {
    match kind {
        HealthKind::Port => "port",
        HealthKind::Http { .. } => "http",
        HealthKind::Process => "process",
    }
}
