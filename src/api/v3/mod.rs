//! `/v3`, one file per resource.

mod app_parts;
mod app_usage;
mod apps;
mod bindings;
mod brokers;
mod buildpacks;
mod builds;
mod deployments;
mod domains;
mod download;
mod droplets;
mod events;
mod feature_flags;
mod include;
mod isolation_segments;
mod jobs;
mod manifests;
mod offerings;
mod organization_quotas;
mod organizations;
mod packages;
mod place;
mod plans;
mod platform;
mod processes;
mod resource;
mod revisions;
mod roles;
mod route_bindings;
mod routes;
mod security_groups;
mod service_usage;
mod services;
mod sidecars;
mod space_quotas;
mod spaces;
mod stacks;
mod tasks;
mod upload;
mod users;

use super::openapi::Router;

/// Every endpoint under `/v3`.
pub(super) fn router() -> Router {
    Router::new()
        .merge(app_parts::router())
        .merge(apps::router())
        .merge(bindings::router())
        .merge(brokers::router())
        .merge(buildpacks::router())
        .merge(builds::router())
        .merge(deployments::router())
        .merge(domains::router())
        .merge(droplets::router())
        .merge(events::router())
        .merge(feature_flags::router())
        .merge(isolation_segments::router())
        .merge(jobs::router())
        .merge(manifests::router())
        .merge(offerings::router())
        .merge(organization_quotas::router())
        .merge(organizations::router())
        .merge(packages::router())
        .merge(plans::router())
        .merge(platform::router())
        .merge(processes::router())
        .merge(revisions::router())
        .merge(roles::router())
        .merge(route_bindings::router())
        .merge(routes::router())
        .merge(security_groups::router())
        .merge(service_usage::router())
        .merge(services::router())
        .merge(space_quotas::router())
        .merge(sidecars::router())
        .merge(spaces::router())
        .merge(stacks::router())
        .merge(tasks::router())
        .merge(app_usage::router())
        .merge(users::router())
}
