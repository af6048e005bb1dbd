//! `/v3`, one file per resource.

mod domains;
mod events;
mod include;
mod jobs;
mod organizations;
mod platform;
mod roles;
mod routes;
mod spaces;
mod users;

use axum::Router;

use super::Api;

/// Every endpoint under `/v3`.
pub(super) fn router() -> Router<Api> {
    Router::new()
        .merge(domains::router())
        .merge(events::router())
        .merge(jobs::router())
        .merge(organizations::router())
        .merge(platform::router())
        .merge(roles::router())
        .merge(routes::router())
        .merge(spaces::router())
        .merge(users::router())
}
