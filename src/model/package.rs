//! Packages: source as it was uploaded.

use serde::{Deserialize, Serialize};

use super::{AppId, ImageSource, Metadata, PackageId, Timestamp};

/// Where an upload stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PackageState {
    /// Nothing has arrived yet.
    AwaitingUpload,
    /// The bits are kept under `sha256` (hexadecimal).
    Ready {
        /// Digest of the stored archive.
        sha256: String,
    },
    /// There are no bits: the image is in its registry, from where a build pulls it.
    Remote,
    /// The bits could not be used.
    Failed {
        /// Why, for the user.
        error: String,
    },
    /// The bits were removed because newer ones are kept.
    Expired,
}

/// An uploaded source archive of an app, or the name of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Identity.
    pub id: PackageId,
    /// The app it was uploaded for.
    pub app: AppId,
    /// Where the upload stands.
    pub state: PackageState,
    /// The image that it is, in place of source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSource>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
