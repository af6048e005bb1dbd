//! Builds.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, MetadataPatch, Relationship, app, app::LifecyclePatch, shared};
use crate::model::{Build, BuildState};

/// Body of `POST /v3/builds`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Create {
    /// What to stage.
    pub package: Relationship,
    /// How, where not as the app says.
    pub lifecycle: Option<LifecyclePatch>,
    /// Memory of the build.
    pub staging_memory_in_mb: Option<i64>,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// One build.
#[must_use]
pub fn present(build: &Build, base: &Base) -> Value {
    let path = format!("/v3/builds/{}", build.id);
    let mut links = Links::new(base)
        .to("self", &path)
        .to("app", &format!("/v3/apps/{}", build.app));
    let (mut droplet, mut error) = (None, None);
    match &build.state {
        BuildState::Staging => {}
        BuildState::Staged { droplet: id } => {
            droplet = Some(json!({ "guid": id.to_string() }));
            links = links.to("droplet", &format!("/v3/droplets/{id}"));
        }
        // Clients look for the id in the text.
        BuildState::Failed { failure } => {
            error = Some(format!("{} - {}", failure.id, failure.detail));
        }
    }
    json!({
        "guid": build.id.to_string(),
        "created_at": build.created_at.to_string(),
        "updated_at": build.updated_at.to_string(),
        "state": state(&build.state),
        "error": error,
        "staging_memory_in_mb": build.memory.map(|memory| memory.0),
        // The disk is the platform's to choose, and what a build logs is not limited.
        "staging_disk_in_mb": null,
        "staging_log_rate_limit_bytes_per_second": -1,
        "lifecycle": app::lifecycle(&build.lifecycle),
        "package": { "guid": build.package.to_string() },
        "droplet": droplet,
        "created_by": {
            "guid": build.created_by.guid,
            "name": build.created_by.name,
            "email": build.created_by.name,
        },
        "relationships": { "app": shared::to_one(build.app) },
        "metadata": shared::metadata(&build.metadata),
        "links": links.json(),
    })
}

/// A build's state as the API spells it.
#[must_use]
pub const fn state(state: &BuildState) -> &'static str {
    match state {
        BuildState::Staging => "STAGING",
        BuildState::Staged { .. } => "STAGED",
        BuildState::Failed { .. } => "FAILED",
    }
}
