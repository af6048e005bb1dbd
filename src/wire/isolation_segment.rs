//! Isolation segments.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Base, Links, MetadataPatch, shared};
use crate::model::{IsolationSegment, SegmentId};

/// Body of `POST /v3/isolation_segments`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The name.
    pub name: String,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// Body of `PATCH /v3/isolation_segments/:guid`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// A new name.
    #[serde(default)]
    pub name: Option<String>,
    /// Changes to labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// Where a segment is.
#[must_use]
pub fn path(id: SegmentId) -> String {
    format!("/v3/isolation_segments/{id}")
}

/// One segment.
#[must_use]
pub fn present(segment: &IsolationSegment, base: &Base) -> Value {
    let path = path(segment.id);
    json!({
        "guid": segment.id.to_string(),
        "created_at": segment.created_at.to_string(),
        "updated_at": segment.updated_at.to_string(),
        "name": segment.name,
        "metadata": shared::metadata(&segment.metadata),
        "links": Links::new(base)
            .to("self", &path)
            .to("organizations", &format!("{path}/organizations"))
            .json(),
    })
}

/// What is related to a segment under `name`.
#[must_use]
pub fn related<T: std::fmt::Display>(
    segment: SegmentId,
    ids: impl IntoIterator<Item = T>,
    name: &str,
    base: &Base,
) -> Value {
    let path = path(segment);
    let mut links = Links::new(base).to("self", &format!("{path}/relationships/{name}"));
    if name == "organizations" {
        links = links.to("related", &format!("{path}/organizations"));
    }
    let mut document = shared::to_many(ids);
    document["links"] = links.json();
    document
}

/// The segment of an organization or space, at `path`.
#[must_use]
pub fn relation(segment: Option<SegmentId>, path: &str, base: &Base) -> Value {
    let mut links = Links::new(base).to("self", path);
    if let Some(segment) = segment {
        links = links.to("related", &self::path(segment));
    }
    let mut document = shared::to_maybe(segment);
    document["links"] = links.json();
    document
}
