//! Packages, and the matching of files that are already kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Base, Links, MetadataPatch, ToOne, shared, shared::Hidden};
use crate::model::{Package, PackageState};

/// Body of `POST /v3/packages`. Copying (`?source_guid=`) needs the relationship only.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Create {
    /// `bits` or `docker`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Of an image, which one.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub data: ImageData,
    /// What it is for.
    pub relationships: CreateRelationships,
    /// Labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// Which image, and who asks its registry for it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct ImageData {
    /// Its name.
    pub image: Option<String>,
    /// The user's name at the registry.
    pub username: Option<String>,
    /// The password.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub password: Hidden<Option<String>>,
}

/// What a new package belongs to.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct CreateRelationships {
    /// The app.
    pub app: ToOne,
}

/// A body that changes nothing but labels and annotations.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Changes to labels and annotations.
    #[serde(default, deserialize_with = "shared::or_default")]
    pub metadata: MetadataPatch,
}

/// Body and answer of `POST /v3/resource_matches`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// The files.
    pub resources: Vec<Resource>,
}

/// A file of the user's, by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resource {
    /// Path in the package.
    #[serde(default)]
    pub path: String,
    /// Unix permission bits in octal, such as `0644`.
    #[serde(default)]
    pub mode: String,
    /// Its digest.
    pub checksum: Checksum,
    /// Its length.
    pub size_in_bytes: u64,
}

/// A SHA-1 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checksum {
    /// The digest.
    pub value: String,
}

/// Permissions of a file for which the client said none.
const MODE: u32 = 0o644;

impl Resource {
    /// The permission bits in `mode`; what is not an octal number counts as none said.
    #[must_use]
    pub fn permissions(&self) -> u32 {
        let mode = u32::from_str_radix(&self.mode, 8).unwrap_or(MODE) & 0o777;
        if mode == 0 { MODE } else { mode }
    }
}

/// One package.
#[must_use]
pub fn present(package: &Package, base: &Base) -> Value {
    let path = format!("/v3/packages/{}", package.id);
    let (sha256, error) = match &package.state {
        PackageState::Ready { sha256 } => (Some(sha256), None),
        PackageState::Failed { error } => (None, Some(error)),
        PackageState::AwaitingUpload | PackageState::Remote | PackageState::Expired => (None, None),
    };
    let mut links = Links::new(base).to("self", &path);
    let data = match &package.image {
        None => {
            links = links
                .action("upload", &format!("{path}/upload"), "POST")
                .action("download", &format!("{path}/download"), "GET");
            json!({ "error": error, "checksum": { "type": "sha256", "value": sha256 } })
        }
        Some(image) => {
            let login = image.login.as_ref();
            json!({
                "image": image.reference,
                "username": login.map(|login| &login.username),
                "password": login.map(|_| "***"),
            })
        }
    };
    json!({
        "guid": package.id.to_string(),
        "created_at": package.created_at.to_string(),
        "updated_at": package.updated_at.to_string(),
        "type": kind(package),
        "state": state(&package.state),
        "data": data,
        "relationships": { "app": shared::to_one(package.app) },
        "metadata": shared::metadata(&package.metadata),
        "links": links.to("app", &format!("/v3/apps/{}", package.app)).json(),
    })
}

/// `bits` or `docker`.
#[must_use]
pub const fn kind(package: &Package) -> &'static str {
    match package.image {
        None => "bits",
        Some(_) => "docker",
    }
}

/// A package's state as filters spell it.
#[must_use]
pub const fn state(state: &PackageState) -> &'static str {
    match state {
        PackageState::AwaitingUpload => "AWAITING_UPLOAD",
        PackageState::Ready { .. } | PackageState::Remote => "READY",
        PackageState::Failed { .. } => "FAILED",
        PackageState::Expired => "EXPIRED",
    }
}
