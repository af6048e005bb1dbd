//! App manifests: what `cf push` and `apply-manifest` send, what `create-app-manifest` gets,
//! and the difference between the two.

mod diff;
mod document;
mod keys;
mod present;
mod reader;
mod route;

pub use diff::diff;
pub use document::{Document, MAX_BYTES};
pub use keys::{UnknownKey, unknown_keys};
pub use present::{RouteView, View, present, yaml};
pub use reader::read;
pub use route::RouteUrl;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{MetadataPatch, app::RegistryCredentials, process::HealthPatch, shared::Hidden};
use crate::model::{AppName, AppProtocol, Credentials, Megabytes, ProcessType};

/// One entry of `applications`, checked. What the manifest does not mention stays as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct AppManifest {
    /// Which app of the space it is about.
    pub name: AppName,
    /// Buildpacks by name; an empty list asks for detection.
    pub buildpacks: Option<Vec<String>>,
    /// The stack.
    pub stack: Option<String>,
    /// What the app is made of: `buildpack`, `docker` or `cnb`.
    pub kind: Option<String>,
    /// Who asks registries for the buildpacks of `cnb`.
    pub credentials: Option<Hidden<RegistryCredentials>>,
    /// Whether an image is named. Which one is up to the package.
    pub docker: bool,
    /// Environment variables to set; none removes.
    pub env: Hidden<BTreeMap<String, Option<String>>>,
    /// Changes to labels and annotations.
    pub metadata: MetadataPatch,
    /// Service instances to bind.
    pub services: Vec<ServiceManifest>,
    /// What to do about routes.
    pub routing: Routing,
    /// App features by name.
    pub features: BTreeMap<String, bool>,
    /// Processes by type, the web process first.
    pub processes: Vec<ProcessManifest>,
    /// What runs beside them.
    pub sidecars: Vec<SidecarManifest>,
}

/// What a manifest says of a sidecar; what it does not say stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SidecarManifest {
    /// Its name.
    pub name: String,
    /// What runs.
    pub command: Hidden<Option<String>>,
    /// The processes beside which it runs.
    pub process_types: Option<Vec<String>>,
    /// The part of an instance's memory that is meant for it.
    pub memory: Option<Megabytes>,
}

impl AppManifest {
    /// The kind of lifecycle that it asks for, if it does.
    #[must_use]
    pub fn lifecycle(&self) -> Option<&str> {
        match (&self.kind, self.docker) {
            (Some(kind), _) => Some(kind),
            (None, true) => Some("docker"),
            (None, false) => None,
        }
    }
}

/// A service instance that a manifest binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceManifest {
    /// Its name.
    pub name: String,
    /// What the app shall know it by.
    pub binding_name: Option<String>,
    /// What there is for its broker.
    pub parameters: Option<Credentials>,
}

/// What a manifest wants of an app's routes. `no-route` wins over `routes`, and those over
/// `random-route` and `default-route`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routing {
    /// Nothing was said.
    Keep,
    /// Unmap every route.
    Unmap,
    /// Make and map these.
    Map(Vec<RouteManifest>),
    /// If the app has no route, one with a random name.
    Random,
    /// If the app has no route, one with the app's name.
    Default,
}

/// One route of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteManifest {
    /// Host name and path.
    pub url: RouteUrl,
    /// How the gateway speaks to the app.
    pub protocol: Option<AppProtocol>,
    /// Changes to its options by name; the route's rules say which there are.
    pub options: BTreeMap<String, Value>,
}

/// What a manifest says of one process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProcessManifest {
    /// `web`, `worker`, ...; none stands for web.
    pub process_type: Option<ProcessType>,
    /// A start command; `Some(None)` for the droplet's.
    pub command: Option<Option<String>>,
    /// How many instances.
    pub instances: Option<u32>,
    /// Memory of one.
    pub memory: Option<Megabytes>,
    /// Disk of one.
    pub disk: Option<Megabytes>,
    /// Log bytes per second of one; negative for no limit.
    pub log_rate_limit: Option<i64>,
    /// Changes to the start-up and liveness check.
    pub health: Option<HealthPatch>,
    /// Changes to the readiness check.
    pub readiness: Option<HealthPatch>,
}

#[cfg(test)]
mod tests;
