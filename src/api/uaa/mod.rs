//! UAA's endpoints: logging in, keys, and users as identity providers see them.

mod authorize;
mod clients;
mod error;
mod form;
mod groups;
mod info;
mod page;
mod passcode;
mod sign_on;
mod token;
mod users;
mod wish;

use super::openapi::Router;

/// Every endpoint of UAA's part.
pub(super) fn router() -> Router {
    Router::new()
        .merge(authorize::router())
        .merge(clients::router())
        .merge(groups::router())
        .merge(passcode::router())
        .merge(info::router())
        .merge(sign_on::router())
        .merge(token::router())
        .merge(users::router())
}
