//! Packages: source as it was uploaded.

use serde::{Deserialize, Serialize};

use super::{AppId, Metadata, PackageId, Timestamp};

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
    /// The bits could not be used.
    Failed {
        /// Why, for the user.
        error: String,
    },
    /// The bits were removed because newer ones are kept.
    Expired,
}

/// An uploaded source archive of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Identity.
    pub id: PackageId,
    /// The app it was uploaded for.
    pub app: AppId,
    /// Where the upload stands.
    pub state: PackageState,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
