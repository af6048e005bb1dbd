//! What a user can ask for: every verb and query, authorized and validated, a file per
//! resource. The only writer of desired state.

mod app_env;
mod app_features;
mod app_state;
mod app_usage;
mod apps;
mod bindings;
mod bootstrap;
mod brokers;
mod build_caches;
mod buildpacks;
mod builds;
mod caller;
mod clients;
mod current_droplet;
mod deployments;
mod domains;
mod droplet_uploads;
mod droplets;
mod env_groups;
mod error;
mod events;
mod flags;
mod git;
mod git_source;
mod groups;
mod isolation_segments;
mod jobs;
mod lifecycle;
mod manifests;
mod network_policies;
mod offerings;
mod organizations;
mod packages;
mod process_rules;
mod processes;
mod quotas;
mod revisions;
mod roles;
mod route_bindings;
mod routes;
mod security_groups;
mod seeds;
mod service_usage;
mod services;
mod sidecars;
mod sign_on;
mod spaces;
mod ssh;
mod stacks;
mod targets;
mod tasks;
mod uid_ranges;
mod users;

pub use app_features::Feature;
pub use bindings::Bound;
pub use bootstrap::{Bootstrap, BootstrapError};
pub use brokers::Changed;
pub use caller::Caller;
pub use clients::NewSecret;
pub use domains::{default_domain, usable_in};
pub use error::ActionError;
pub use git::GitPlace;
pub use groups::Membership;
pub use network_policies::PolicyChange;
pub use packages::Upload;
pub use revisions::is_deployable;
pub use route_bindings::RouteBound;
pub use services::Saved;
pub use ssh::{SshPlace, ssh_off};

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use tokio::sync::watch;

use crate::{
    blobs::Blobs,
    brokers::Brokers,
    logs::{Line, Logs, Stream},
    model::{AppId, DomainName, Megabytes, PortRange, Timestamp},
    runtimes::Catalog,
    store::{Store, audit, cascade},
};

/// What actions need to know of the platform's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The shared domain that apps get their default route under.
    pub domain: DomainName,
    /// Memory of a process for which nothing was said.
    pub memory: Megabytes,
    /// Disk of a process for which nothing was said.
    pub disk: Megabytes,
    /// Most bytes of an uploaded package; the blob store's own limit.
    pub upload: u64,
    /// First user id on the host of the first app's range; each further app gets the next.
    pub first_uid: u32,
    /// Whether images may be pushed (Cloud Foundry's feature flag `diego_docker`).
    pub images: bool,
    /// Whether there is a builder of Cloud Native Buildpacks.
    pub builder: bool,
    /// Ports that TCP routes may have; none where there are no TCP routes.
    pub tcp_ports: Option<PortRange>,
}

/// The door to desired state; clones share it.
#[derive(Debug, Clone)]
pub struct Actions {
    /// Desired state.
    pub store: Store,
    /// Packages and droplets.
    pub blobs: Blobs,
    /// Log lines.
    pub logs: Logs,
    /// Talks to service brokers.
    pub brokers: Brokers,
    /// Settings.
    pub config: Arc<Config>,
    /// The runtimes that there are at the moment.
    pub runtimes: watch::Receiver<Arc<Catalog>>,
}

impl Actions {
    /// The runtimes that there are now.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.runtimes.borrow())
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
    /// Tells the log of `app` what the platform was asked to do with it.
    fn log(&self, app: AppId, text: impl Into<String>) {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.logs.append(Line {
            at_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            app,
            source: "API".to_owned(),
            instance: "0".to_owned(),
            process: None,
            stream: Stream::Out,
            text: Bytes::from(text.into()),
        });
    }
}
