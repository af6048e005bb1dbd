//! The manifest of an app as it is.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    model::{App, AppProtocol, HealthKind, LifecycleKind, Process, SidecarPlan},
    wire::{app::lifecycle_kind, platform::STACK_NAME, process::kind_name},
};

/// What a manifest is made of.
#[derive(Debug)]
pub struct View<'a> {
    /// The app.
    pub app: &'a App,
    /// Its processes, by type.
    pub processes: Vec<&'a Process>,
    /// Of an image, its name and the user's at the registry.
    pub docker: Option<(&'a str, Option<&'a str>)>,
    /// Its routes, in any order.
    pub routes: Vec<RouteView>,
    /// The names of the service instances that it is bound to, in any order.
    pub services: Vec<&'a str>,
    /// What runs beside its processes, by name.
    pub sidecars: Vec<SidecarPlan>,
}

/// A route that is mapped to the app.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteView {
    /// Host name and path.
    pub url: String,
    /// How the gateway speaks to the app.
    pub protocol: AppProtocol,
    /// Options by name.
    pub options: BTreeMap<String, String>,
}

/// One entry of `applications`; empty sections are left out.
#[must_use]
pub fn present(view: &View<'_>) -> Map<String, Value> {
    let app = view.app;
    let mut entry = Map::new();
    let mut set = |key: &str, value: Value| entry.insert(key.to_owned(), value);
    set("name", json!(app.name));
    if !app.env.is_empty() {
        set("env", json!(app.env));
    }
    match app.lifecycle.kind {
        LifecycleKind::Docker => {
            set("lifecycle", json!("docker"));
            if let Some((image, username)) = view.docker {
                let mut docker = json!({ "image": image });
                if let Some(username) = username {
                    docker["username"] = json!(username);
                }
                set("docker", docker);
            }
        }
        kind @ (LifecycleKind::Buildpack | LifecycleKind::Cnb) => {
            set("lifecycle", json!(lifecycle_kind(kind)));
            if !app.lifecycle.buildpacks.is_empty() {
                set("buildpacks", json!(app.lifecycle.buildpacks));
            }
            set(
                "stack",
                json!(app.lifecycle.stack.as_deref().unwrap_or(STACK_NAME)),
            );
        }
    }
    if !app.features.is_empty() {
        set("features", json!(app.features));
    }
    if !view.services.is_empty() {
        let mut services = view.services.clone();
        services.sort_unstable();
        set("services", json!(services));
    }
    if !view.routes.is_empty() {
        let mut routes: Vec<&RouteView> = view.routes.iter().collect();
        routes.sort();
        set("routes", routes.into_iter().map(route).collect());
    }
    let mut metadata = Map::new();
    if !app.metadata.labels.is_empty() {
        metadata.insert("labels".to_owned(), json!(app.metadata.labels));
    }
    if !app.metadata.annotations.is_empty() {
        metadata.insert("annotations".to_owned(), json!(app.metadata.annotations));
    }
    if !metadata.is_empty() {
        set("metadata", Value::Object(metadata));
    }
    set(
        "processes",
        view.processes
            .iter()
            .map(|p| Value::Object(process(p)))
            .collect(),
    );
    if !view.sidecars.is_empty() {
        set("sidecars", view.sidecars.iter().map(sidecar).collect());
    }
    entry
}

fn sidecar(plan: &SidecarPlan) -> Value {
    let mut value = json!({
        "name": plan.name, "process_types": plan.process_types, "command": plan.command,
    });
    if let Some(memory) = plan.memory {
        value["memory"] = json!(memory.to_string());
    }
    value
}

fn route(route: &RouteView) -> Value {
    let protocol = crate::wire::route::protocol(route.protocol);
    let mut value = json!({ "route": route.url, "protocol": protocol });
    if !route.options.is_empty() {
        value["options"] = json!(route.options);
    }
    value
}

fn process(process: &Process) -> Map<String, Value> {
    let mut entry = Map::new();
    let mut set = |key: &str, value: Value| {
        if !value.is_null() {
            entry.insert(key.to_owned(), value);
        }
    };
    set("type", json!(process.process_type));
    set("instances", json!(process.instances));
    set("memory", json!(process.memory.to_string()));
    set("disk_quota", json!(process.disk.to_string()));
    set(
        "log-rate-limit-per-second",
        log_rate(process.log_rate_limit),
    );
    set("command", json!(process.command));
    set("health-check-type", json!(kind_name(&process.health.kind)));
    set("health-check-http-endpoint", endpoint(&process.health.kind));
    set(
        "health-check-invocation-timeout",
        json!(process.health.invocation_timeout),
    );
    set("health-check-interval", json!(process.health.interval));
    set("timeout", json!(process.health.timeout));
    set(
        "readiness-health-check-type",
        json!(kind_name(&process.readiness.kind)),
    );
    set(
        "readiness-health-check-http-endpoint",
        endpoint(&process.readiness.kind),
    );
    set(
        "readiness-health-check-invocation-timeout",
        json!(process.readiness.invocation_timeout),
    );
    set(
        "readiness-health-check-interval",
        json!(process.readiness.interval),
    );
    entry
}

fn endpoint(kind: &HealthKind) -> Value {
    match kind {
        HealthKind::Http { endpoint } => json!(endpoint),
        HealthKind::Port | HealthKind::Process => Value::Null,
    }
}

fn log_rate(rate: i64) -> Value {
    const K: i64 = 1024;
    const M: i64 = K * 1024;
    match rate {
        ..0 => json!(-1),
        0 => json!(0),
        rate if rate % M == 0 => json!(format!("{}M", rate / M)),
        rate if rate % K == 0 => json!(format!("{}K", rate / K)),
        rate => json!(format!("{rate}B")),
    }
}

/// A manifest as YAML.
///
/// # Errors
/// Where a value has no form in YAML, which none of [`present`]'s is.
pub fn yaml(manifest: &Value) -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(manifest).map(|yaml| format!("---\n{yaml}"))
}
