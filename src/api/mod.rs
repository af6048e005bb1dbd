//! The control API over HTTP: requests become actions, results become JSON; no rule of the
//! domain is in here.

mod answer;
mod error;
mod extract;
mod frame;
mod git;
mod git_source;
mod log_cache;
mod networking;
mod openapi;
mod raw;
mod root;
mod router_groups;
mod runtimes;
mod service;
mod streams;
mod uaa;
mod v3;

pub use error::Failure;
pub use service::{ResponseBody, Service};
pub use streams::Streams;

use std::sync::Arc;

use axum::middleware;
use tokio::sync::{mpsc, watch};

use crate::{
    actions::Actions,
    git::Git,
    identity::Identity,
    model::{InstanceRestart, Observed},
    wire::platform::Ssh,
};

/// What handlers work with; clones share it.
#[derive(Debug, Clone)]
pub struct Api {
    /// The door to desired state.
    pub actions: Actions,
    /// Who callers are.
    pub identity: Identity,
    /// What runs, as the reconciler sees it.
    pub observed: watch::Receiver<Arc<Observed>>,
    /// Where wishes to replace single instances go.
    pub restarts: mpsc::Sender<InstanceRestart>,
    /// Streams that several readers share.
    pub streams: Streams,
    /// How to reach instances by SSH, where that is offered.
    pub ssh: Option<Ssh>,
    /// Takes pushes, where that is offered.
    pub git: Option<Git>,
}

/// How a request reached the gateway; put into its extensions there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tls(pub bool);

/// The address of who sent a request; put into its extensions as [`Tls`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client(pub std::net::IpAddr);

/// Every endpoint.
fn endpoints() -> openapi::Router {
    openapi::Router::new()
        .merge(root::router())
        .merge(openapi::router())
        .merge(uaa::router())
        .merge(networking::router())
        .merge(router_groups::router())
        .merge(runtimes::router())
        .merge(git::router())
        .merge(git_source::router())
        .merge(streams::router())
        .nest("/v3", v3::router())
        .nest("/api/v1", log_cache::router())
}

/// The endpoints, on `api`.
pub fn router(api: Api) -> axum::Router {
    endpoints()
        .into_inner()
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(middleware::from_fn(frame::surround))
        .with_state(api)
}

/// Answers what no endpoint answers.
async fn unknown() -> Failure {
    crate::wire::Error::unknown_request("Unknown request").into()
}
