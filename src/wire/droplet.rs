//! Droplets.

use serde_json::{Value, json};

use super::{Base, Links, shared};
use crate::model::{Droplet, DropletState};

/// One droplet.
#[must_use]
pub fn present(droplet: &Droplet, base: &Base) -> Value {
    let path = format!("/v3/droplets/{}", droplet.id);
    let app = format!("/v3/apps/{}", droplet.app);
    let checksum = match &droplet.state {
        DropletState::Staged { sha256, .. } => json!({ "type": "sha256", "value": sha256 }),
        DropletState::Expired => Value::Null,
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
    links = links.to("download", &format!("{path}/download"));
    json!({
        "guid": droplet.id.to_string(),
        "created_at": droplet.created_at.to_string(),
        "updated_at": droplet.updated_at.to_string(),
        "state": state(&droplet.state),
        "error": null,
        "lifecycle": { "type": "buildpack", "data": {} },
        "execution_metadata": "",
        "process_types": droplet.process_types,
        "checksum": checksum,
        "buildpacks": buildpacks,
        "stack": droplet.stack,
        "image": null,
        "relationships": { "app": shared::to_one(droplet.app) },
        "metadata": shared::metadata(&droplet.metadata),
        "links": links.json(),
    })
}

/// A droplet's state as the API spells it.
#[must_use]
pub const fn state(state: &DropletState) -> &'static str {
    match state {
        DropletState::Staged { .. } => "STAGED",
        DropletState::Expired => "EXPIRED",
    }
}
