//! What a user can ask for: every verb and query, authorized and validated, a file per
//! resource. The only writer of desired state.

mod audit;
mod bootstrap;
mod caller;
mod cascade;
mod domains;
mod error;
mod events;
mod jobs;
mod organizations;
mod roles;
mod routes;
mod spaces;
mod users;

pub use bootstrap::{Bootstrap, BootstrapError};
pub use caller::Caller;
pub use domains::{default_domain, usable_in};
pub use error::ActionError;
pub use organizations::OrgUsage;

use std::{sync::Arc, time::SystemTime};

use crate::{
    blobs::Blobs,
    logs::Logs,
    model::{DomainName, Megabytes, Timestamp},
    store::Store,
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
    /// First user id on the host of the first app's range; each further app gets the next.
    pub first_uid: u32,
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
    /// Settings.
    pub config: Arc<Config>,
}

impl Actions {
    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
