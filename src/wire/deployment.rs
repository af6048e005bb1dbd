//! Deployments.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, MetadataPatch, Relationship, ToOne, shared};
use crate::model::{Deployment, DeploymentState, ProcessType, Strategy};

/// Body of `POST /v3/deployments`. Clients send `null` for what they do not say.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// What it is for.
    pub relationships: CreateRelationships,
    /// What runs then; without it and without a revision, what runs now.
    pub droplet: Option<Relationship>,
    /// The revision to go back to.
    pub revision: Option<Revision>,
    /// `rolling` or `canary`.
    pub strategy: Option<String>,
    /// The rest.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub options: Options,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// What a new deployment belongs to.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct CreateRelationships {
    /// The app.
    pub app: ToOne,
}

/// A revision to go back to.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Revision {
    /// Its guid.
    pub guid: String,
    /// Its number, which clients send along.
    #[serde(rename = "version")]
    _version: Option<u64>,
}

/// How new instances come in, and how large they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// New instances that may be on their way at one time.
    pub max_in_flight: Option<i64>,
    /// How many instances there should be in the end.
    pub web_instances: Option<i64>,
    /// Memory of one.
    pub memory_in_mb: Option<i64>,
    /// Disk of one.
    pub disk_in_mb: Option<i64>,
    /// Log bytes per second of one; -1 for no limit.
    pub log_rate_limit_in_bytes_per_second: Option<i64>,
    /// The steps of a canary.
    pub canary: Option<Canary>,
}

/// The steps of a canary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// In their order.
    pub steps: Option<Vec<Step>>,
}

/// One step of a canary.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The share of new instances, in percent.
    pub instance_weight: i64,
}

/// One deployment; `with_revision` tells whether the app keeps revisions, `error` what stands in
/// its way.
#[must_use]
pub fn present(
    deployment: &Deployment,
    with_revision: bool,
    error: Option<String>,
    base: &Base,
) -> Value {
    let path = format!("/v3/deployments/{}", deployment.id);
    let (value, reason) = status(deployment.state);
    let mut status = json!({
        "value": value,
        "reason": reason,
        "details": {
            "last_successful_healthcheck": deployment.healthy_at.to_string(),
            "last_status_change": deployment.state_at.to_string(),
        },
    });
    if let Some(error) = error {
        status["details"]["error"] = Value::String(error);
    }
    let asked = &deployment.options;
    let mut options = json!({ "max_in_flight": asked.max_in_flight });
    let maybe = [
        ("web_instances", asked.instances.map(Value::from)),
        ("memory_in_mb", asked.memory_mb.map(Value::from)),
        ("disk_in_mb", asked.disk_mb.map(Value::from)),
        (
            "log_rate_limit_in_bytes_per_second",
            asked.log_rate_limit.map(Value::from),
        ),
    ];
    for (key, value) in maybe {
        if let Some(value) = value {
            options[key] = value;
        }
    }
    let mut links = Links::new(base)
        .to("self", &path)
        .to("app", &format!("/v3/apps/{}", deployment.app));
    if deployment.strategy == Strategy::Canary {
        status["canary"] = json!({
            "steps": { "current": deployment.step, "total": deployment.steps() },
        });
        if !asked.steps.is_empty() {
            let steps = asked.steps.iter();
            let steps = steps.map(|weight| json!({ "instance_weight": weight }));
            options["canary"] = json!({ "steps": steps.collect::<Vec<_>>() });
        }
    }
    if deployment.state.is_active() {
        links = links.action("cancel", &format!("{path}/actions/cancel"), "POST");
    }
    if deployment.state == DeploymentState::Paused {
        links = links.action("continue", &format!("{path}/actions/continue"), "POST");
    }
    let revision = deployment.revision.filter(|_| with_revision);
    let guid = |id: Option<String>| json!({ "guid": id });
    json!({
        "guid": deployment.id.to_string(),
        "created_at": deployment.created_at.to_string(),
        "updated_at": deployment.updated_at.to_string(),
        "state": state(deployment.state),
        "status": status,
        "strategy": strategy(deployment.strategy),
        "options": options,
        "droplet": guid(Some(deployment.droplet.to_string())),
        "previous_droplet": guid(deployment.previous_droplet.map(|id| id.to_string())),
        "new_processes": deployment.process.iter().map(|process| json!({
            "guid": process.to_string(), "type": ProcessType::web(),
        })).collect::<Vec<_>>(),
        "revision": revision.map(|(id, version)| json!({
            "guid": id.to_string(), "version": version,
        })),
        "relationships": { "app": shared::to_one(deployment.app) },
        "metadata": shared::metadata(&deployment.metadata),
        "links": links.json(),
    })
}

/// A strategy as the API spells it.
#[must_use]
pub const fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Rolling => "rolling",
        Strategy::Canary => "canary",
    }
}

/// Whether a deployment is under way, and why it stands there.
#[must_use]
pub const fn status(state: DeploymentState) -> (&'static str, &'static str) {
    match state {
        DeploymentState::Deploying | DeploymentState::Prepaused => ("ACTIVE", "DEPLOYING"),
        DeploymentState::Paused => ("ACTIVE", "PAUSED"),
        DeploymentState::Canceling => ("ACTIVE", "CANCELING"),
        DeploymentState::Deployed => ("FINALIZED", "DEPLOYED"),
        DeploymentState::Canceled => ("FINALIZED", "CANCELED"),
        DeploymentState::Superseded => ("FINALIZED", "SUPERSEDED"),
    }
}

/// A state as the API spelt it before there was a status, which filters still know.
#[must_use]
pub const fn state(state: DeploymentState) -> &'static str {
    match state {
        DeploymentState::Deploying => "DEPLOYING",
        DeploymentState::Prepaused => "PREPAUSED",
        DeploymentState::Paused => "PAUSED",
        DeploymentState::Canceling => "CANCELING",
        DeploymentState::Deployed | DeploymentState::Superseded => "DEPLOYED",
        DeploymentState::Canceled => "CANCELED",
    }
}
