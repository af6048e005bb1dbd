//! `/v3`, one file per resource.

mod app_parts;
mod apps;
mod buildpacks;
mod builds;
mod download;
mod droplets;
mod manifests;
mod none;
mod organizations;
mod packages;
mod place;
mod processes;
mod upload;

use axum::Router;

use super::Api;

/// Every endpoint under `/v3`.
pub(super) fn router() -> Router<Api> {
    Router::new()
        .merge(app_parts::router())
        .merge(apps::router())
        .merge(buildpacks::router())
        .merge(builds::router())
        .merge(droplets::router())
        .merge(manifests::router())
        .merge(none::router())
        .merge(organizations::router())
        .merge(packages::router())
        .merge(processes::router())
}
