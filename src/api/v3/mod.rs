//! `/v3`, one file per resource.

mod organizations;

use axum::Router;

use super::Api;

/// Every endpoint under `/v3`.
pub(super) fn router() -> Router<Api> {
    Router::new().merge(organizations::router())
}
