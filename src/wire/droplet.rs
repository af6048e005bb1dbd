//! Droplets.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Base, Links, ToOne, shared};
use crate::model::{
    Droplet, DropletBuildpack, DropletKind, DropletState, Image, Launch, ProcessType,
};

/// Body of `POST /v3/droplets`. Copying (`?source_guid=`) needs the relationship only.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// What it is for.
    pub relationships: CreateRelationships,
    /// Start command by process type.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub process_types: BTreeMap<String, String>,
}

/// What a new droplet belongs to.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct CreateRelationships {
    /// The app.
    pub app: ToOne,
}

/// How a droplet is run, which its archive does not tell: it travels along with a download, so
/// that an upload of it elsewhere knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// What runs it.
    pub kind: DropletKind,
    /// Start command by process type.
    pub process_types: BTreeMap<ProcessType, String>,
    /// Environment that its runtime sets.
    pub env: BTreeMap<String, String>,
    /// The served folder of a static one.
    pub static_root: String,
    /// Runtimes that had a part in it.
    pub buildpacks: Vec<DropletBuildpack>,
}

impl Recipe {
    /// That of `droplet`.
    #[must_use]
    pub fn of(droplet: &Droplet) -> Self {
        Self {
            kind: droplet.kind,
            process_types: droplet.process_types.clone(),
            env: droplet.env.clone(),
            static_root: droplet.static_root.clone(),
            buildpacks: droplet.buildpacks.clone(),
        }
    }
}

/// One droplet.
#[must_use]
pub fn present(droplet: &Droplet, base: &Base) -> Value {
    let path = format!("/v3/droplets/{}", droplet.id);
    let app = format!("/v3/apps/{}", droplet.app);
    let launch = droplet.launch.as_ref();
    let checksum = match &droplet.state {
        DropletState::Staged { sha256, .. } if launch.is_none() => {
            json!({ "type": "sha256", "value": sha256 })
        }
        _ => Value::Null,
    };
    let error = match &droplet.state {
        DropletState::Failed { error } => Some(error),
        _ => None,
    };
    let buildpacks: Vec<Value> = droplet
        .buildpacks
        .iter()
        .map(|buildpack| {
            json!({
                "name": buildpack.name,
                "detect_output": buildpack.detect_output,
                "buildpack_name": buildpack.name,
                "version": buildpack.version,
            })
        })
        .collect();
    let mut links = Links::new(base).to("self", &path).to("app", &app).action(
        "assign_current_droplet",
        &format!("{app}/relationships/current_droplet"),
        "PATCH",
    );
    if let Some(package) = droplet.package {
        links = links.to("package", &format!("/v3/packages/{package}"));
    }
    if droplet.state == DropletState::AwaitingUpload {
        links = links.action("upload", &format!("{path}/upload"), "POST");
    } else if launch.is_none() {
        links = links.to("download", &format!("{path}/download"));
    }
    let kind = match droplet.kind {
        _ if launch.is_some() => "docker",
        DropletKind::Cnb => "cnb",
        _ => "buildpack",
    };
    json!({
        "guid": droplet.id.to_string(),
        "created_at": droplet.created_at.to_string(),
        "updated_at": droplet.updated_at.to_string(),
        "state": state(&droplet.state),
        "error": error,
        "lifecycle": { "type": kind, "data": {} },
        "execution_metadata": launch.map(execution_metadata).unwrap_or_default(),
        "process_types": droplet.process_types,
        "checksum": checksum,
        "buildpacks": launch.is_none().then_some(buildpacks),
        "stack": launch.is_none().then_some(&droplet.stack),
        "image": launch.and(droplet.image.as_ref()).map(pinned),
        "relationships": { "app": shared::to_one(droplet.app) },
        "metadata": shared::metadata(&droplet.metadata),
        "links": links.json(),
    })
}

/// The image by its tag and the digest that the tag had.
fn pinned(image: &Image) -> String {
    if image.reference.contains('@') {
        return image.reference.clone();
    }
    format!("{}@{}", image.reference, image.digest)
}

/// How an image is run, as Cloud Foundry's own stagers write it.
fn execution_metadata(launch: &Launch) -> String {
    let ports = launch.ports.iter();
    let ports: Vec<Value> = ports
        .map(|port| json!({ "Port": port, "Protocol": "tcp" }))
        .collect();
    json!({
        "entrypoint": launch.entrypoint,
        "cmd": launch.cmd,
        "workdir": launch.workdir,
        "ports": ports,
        "user": launch.user,
    })
    .to_string()
}

/// A droplet's state as the API spells it.
#[must_use]
pub const fn state(state: &DropletState) -> &'static str {
    match state {
        DropletState::AwaitingUpload => "AWAITING_UPLOAD",
        DropletState::Failed { .. } => "FAILED",
        DropletState::Staged { .. } => "STAGED",
        DropletState::Expired => "EXPIRED",
    }
}
