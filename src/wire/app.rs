//! Apps.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Base, Links, MetadataPatch, Relationship, ToOne, platform::STACK_NAME, shared, shared::Hidden,
};
use crate::model::{App, AppState, EnvGroup, Lifecycle, LifecycleKind, Org, Process, Space};

/// Most open files of an instance, as `VCAP_APPLICATION` tells it.
const FDS: u32 = 16_384;

/// Body of `POST /v3/apps`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The name.
    pub name: String,
    /// Where it lives.
    pub relationships: CreateRelationships,
    /// How it is built.
    pub lifecycle: Option<LifecyclePatch>,
    /// The first environment variables.
    pub environment_variables: Option<Hidden<BTreeMap<String, Value>>>,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// What a new app belongs to.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct CreateRelationships {
    /// The space.
    pub space: ToOne,
}

/// Body of `PATCH /v3/apps/:guid`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// A new name.
    pub name: Option<String>,
    /// Changes to how it is built.
    pub lifecycle: Option<LifecyclePatch>,
    /// Changes to labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// A lifecycle as it comes in.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct LifecyclePatch {
    /// `buildpack`, `docker` or `cnb`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The rest.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub data: LifecycleData,
}

/// Who asks registries, by their names.
pub type RegistryCredentials = BTreeMap<String, RegistryCredential>;

/// Who asks one registry.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RegistryCredential {
    /// The name there.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// A token in place of both.
    pub token: Option<String>,
}

impl std::fmt::Debug for RegistryCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryCredential")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// What a lifecycle holds.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct LifecycleData {
    /// Buildpacks by name; `null` and an empty list ask for detection.
    #[serde(default, deserialize_with = "shared::maybe_null")]
    pub buildpacks: Option<Option<Vec<String>>>,
    /// The stack; `null` asks for the default.
    #[serde(default, deserialize_with = "shared::maybe_null")]
    pub stack: Option<Option<String>>,
    /// Who asks registries for the buildpacks of `cnb`, by the registry's name; `null` for nobody.
    #[serde(default, deserialize_with = "shared::maybe_null")]
    pub credentials: Option<Option<Hidden<RegistryCredentials>>>,
}

/// Body of `PATCH /v3/apps/:guid/environment_variables`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvPatch {
    /// Values by name; `null` removes.
    pub var: Hidden<BTreeMap<String, Value>>,
}

/// Body of `PATCH /v3/apps/:guid/features/:name`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeaturePatch {
    /// Whether it should be on.
    pub enabled: bool,
}

/// Body of `PATCH /v3/apps/:guid/relationships/current_droplet`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct CurrentDroplet {
    /// The droplet.
    pub data: Option<Relationship>,
}

/// One app.
#[must_use]
pub fn present(app: &App, base: &Base) -> Value {
    let path = format!("/v3/apps/{}", app.id);
    let droplet = app
        .current_droplet
        .map(|droplet| json!({ "guid": droplet.to_string() }));
    json!({
        "guid": app.id.to_string(),
        "created_at": app.created_at.to_string(),
        "updated_at": app.updated_at.to_string(),
        "name": app.name,
        "state": state(app.state),
        "lifecycle": lifecycle(&app.lifecycle),
        "relationships": {
            "space": shared::to_one(app.space),
            "current_droplet": { "data": droplet },
        },
        "metadata": shared::metadata(&app.metadata),
        "links": Links::new(base)
            .to("self", &path)
            .to("environment_variables", &format!("{path}/environment_variables"))
            .to("space", &format!("/v3/spaces/{}", app.space))
            .to("processes", &format!("{path}/processes"))
            .to("packages", &format!("{path}/packages"))
            .to("current_droplet", &format!("{path}/droplets/current"))
            .to("droplets", &format!("{path}/droplets"))
            .to("tasks", &format!("{path}/tasks"))
            .action("start", &format!("{path}/actions/start"), "POST")
            .action("stop", &format!("{path}/actions/stop"), "POST")
            .action(
                "clear_buildpack_cache",
                &format!("{path}/actions/clear_buildpack_cache"),
                "POST",
            )
            .to("revisions", &format!("{path}/revisions"))
            .to("deployed_revisions", &format!("{path}/revisions/deployed"))
            .to("features", &format!("{path}/features"))
            .json(),
    })
}

/// `STARTED` or `STOPPED`.
#[must_use]
pub const fn state(state: AppState) -> &'static str {
    match state {
        AppState::Started => "STARTED",
        AppState::Stopped => "STOPPED",
    }
}

/// `buildpack`, `docker` or `cnb`.
#[must_use]
pub const fn lifecycle_kind(kind: LifecycleKind) -> &'static str {
    match kind {
        LifecycleKind::Buildpack => "buildpack",
        LifecycleKind::Docker => "docker",
        LifecycleKind::Cnb => "cnb",
    }
}

/// A lifecycle as the API shows it.
#[must_use]
pub fn lifecycle(lifecycle: &Lifecycle) -> Value {
    if lifecycle.kind == LifecycleKind::Docker {
        return json!({ "type": "docker", "data": {} });
    }
    let mut data = json!({
        "buildpacks": lifecycle.buildpacks,
        "stack": lifecycle.stack.as_deref().unwrap_or(STACK_NAME),
    });
    if !lifecycle.credentials.is_empty() {
        data["credentials"] = json!("***");
    }
    json!({ "type": lifecycle_kind(lifecycle.kind), "data": data })
}

/// The user's environment variables.
#[must_use]
pub fn environment_variables(app: &App, base: &Base) -> Value {
    let path = format!("/v3/apps/{}", app.id);
    json!({
        "var": app.env,
        "links": Links::new(base)
            .to("self", &format!("{path}/environment_variables"))
            .to("app", &path)
            .json(),
    })
}

/// What `GET /v3/apps/:guid/env` is made of.
#[derive(Debug)]
pub struct EnvView<'a> {
    /// The app.
    pub app: &'a App,
    /// Its web process.
    pub web: Option<&'a Process>,
    /// Its space.
    pub space: &'a Space,
    /// Its organization.
    pub org: &'a Org,
    /// Its routes: host name and path.
    pub uris: Vec<String>,
    /// `VCAP_SERVICES`.
    pub services: Value,
    /// The variables of everything that runs.
    pub running: Option<&'a EnvGroup>,
    /// The variables of every build.
    pub staging: Option<&'a EnvGroup>,
}

fn shared_env(group: Option<&EnvGroup>) -> Value {
    group.map_or_else(|| json!({}), |group| json!(group.var))
}

/// Everything that the app will find in its environment, by origin.
#[must_use]
pub fn env(view: &EnvView<'_>, base: &Base) -> Value {
    json!({
        "environment_variables": view.app.env,
        "staging_env_json": shared_env(view.staging),
        "running_env_json": shared_env(view.running),
        "system_env_json": { "VCAP_SERVICES": view.services },
        "application_env_json": { "VCAP_APPLICATION": vcap_application(view, base) },
    })
}

fn vcap_application(view: &EnvView<'_>, base: &Base) -> Value {
    let app = view.app;
    let mut limits = Map::new();
    limits.insert("fds".to_owned(), json!(FDS));
    if let Some(web) = view.web {
        limits.insert("mem".to_owned(), json!(web.memory.0));
        limits.insert("disk".to_owned(), json!(web.disk.0));
    }
    json!({
        "cf_api": base.as_str(),
        "limits": limits,
        "application_id": app.id.to_string(),
        "application_name": app.name,
        "name": app.name,
        "application_uris": view.uris,
        "uris": view.uris,
        "space_id": view.space.id.to_string(),
        "space_name": view.space.name,
        "organization_id": view.org.id.to_string(),
        "organization_name": view.org.name,
        "users": null,
    })
}

/// One feature of an app.
#[must_use]
pub fn feature(name: &str, description: &str, enabled: bool) -> Value {
    json!({ "name": name, "description": description, "enabled": enabled })
}
