//! Apps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AppId, AppName, DropletId, GitSource, Metadata, RegistryLogin, SpaceId, Timestamp};

/// Whether an app should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AppState {
    /// Its processes should run.
    Started,
    /// Nothing of it should run.
    Stopped,
}

/// What an app's packages are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleKind {
    /// Source, which a runtime builds.
    #[default]
    Buildpack,
    /// Images, which are pulled from a registry.
    Docker,
    /// Source, which Cloud Native Buildpacks build.
    Cnb,
}

impl LifecycleKind {
    /// Whether it is the one for which nothing is written down.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How an app's packages become droplets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// What they are.
    #[serde(default, skip_serializing_if = "LifecycleKind::is_default")]
    pub kind: LifecycleKind,
    /// Buildpacks by name, in order; empty for detection.
    pub buildpacks: Vec<String>,
    /// The stack that was asked for; none for the default.
    pub stack: Option<String>,
    /// Who asks registries for Cloud Native Buildpacks, by the registry's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub credentials: BTreeMap<String, RegistryLogin>,
}

/// An app: a named thing that people push, start and scale.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Identity.
    pub id: AppId,
    /// The space it lives in.
    pub space: SpaceId,
    /// Unique in its space, whatever the case.
    pub name: AppName,
    /// Whether it should run.
    pub state: AppState,
    /// How it is built.
    pub lifecycle: Lifecycle,
    /// The user's environment variables.
    pub env: BTreeMap<String, String>,
    /// What runs when it runs.
    pub current_droplet: Option<DropletId>,
    /// Grows with every start and restart; instances of another generation are replaced.
    pub generation: u64,
    /// App features that differ from their default, by name.
    #[serde(default)]
    pub features: BTreeMap<String, bool>,
    /// First user id on the host of this app's own range, which it gets when it is made.
    #[serde(default)]
    pub uid_range: Option<u32>,
    /// When a user last wanted what is kept for its next build to be forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_cleared_at: Option<Timestamp>,
    /// The repository elsewhere that it is deployed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_source: Option<GitSource>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// How an app is told what it is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingForm {
    /// In the variable `VCAP_SERVICES`.
    Variable,
    /// In a file with the same content.
    VcapFile,
    /// In a folder for each binding, with a file for each value.
    Folders,
}

/// The app feature for [`BindingForm::VcapFile`].
pub const FILE_BASED_VCAP_SERVICES: &str = "file-based-vcap-services";

/// The app feature for [`BindingForm::Folders`].
pub const SERVICE_BINDING_K8S: &str = "service-binding-k8s";

impl App {
    /// How the app is told what it is bound to, by its features.
    #[must_use]
    pub fn binding_form(&self) -> BindingForm {
        let on = |feature: &str| self.features.get(feature) == Some(&true);
        if on(SERVICE_BINDING_K8S) {
            BindingForm::Folders
        } else if on(FILE_BASED_VCAP_SERVICES) {
            BindingForm::VcapFile
        } else {
            BindingForm::Variable
        }
    }
}

// The environment often holds secrets.
impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("id", &self.id)
            .field("space", &self.space)
            .field("name", &self.name)
            .field("state", &self.state)
            .field("generation", &self.generation)
            .field("current_droplet", &self.current_droplet)
            .finish_non_exhaustive()
    }
}
