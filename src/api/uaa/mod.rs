//! UAA's endpoints: logging in, keys, and users as identity providers see them.

mod authorize;
mod error;
mod info;
mod token;
mod users;

use axum::Router;

use super::Api;

/// Every endpoint of UAA's part.
pub(super) fn router() -> Router<Api> {
    Router::new()
        .merge(authorize::router())
        .merge(info::router())
        .merge(token::router())
        .merge(users::router())
}
