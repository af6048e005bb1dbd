//! The public API as this client sees it: requests with a token that is kept fresh, errors
//! in Cloud Foundry's words, pages, jobs, logs.

mod client;
mod error;
mod logs;
mod session;
mod types;

pub(super) use client::Api;
pub(super) use error::ApiError;
pub(super) use logs::{LogLine, Since};
pub(super) use types::{
    App, Build, Domain, Droplet, Event, Package, Process, Resources, Route, Stats, guid,
};
