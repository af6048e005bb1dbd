//! Streams of envelopes as they come, for whoever may read the logs they are of: the streaming
//! log gateway (RLP), and Doppler's streams of version 1.

mod doppler;
mod dropsonde;
pub(super) mod envelope;
mod pass;
mod reader;
mod rlp;

pub use reader::Streams;

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use super::{
    extract::bearer_of,
    openapi::{Operation, Router, Security, Takes},
};

/// Every endpoint of both.
pub(super) fn router() -> Router {
    Router::new().merge(rlp::router()).merge(doppler::router())
}

/// The token of a request, whatever it is worth: each kind of stream refuses in its own words.
#[derive(Debug)]
struct Token(Option<String>);

impl<S: Sync> FromRequestParts<S> for Token {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Loggregator's gateway takes a token without its scheme, too, and a library for Python
        // sends it so.
        let value = parts.headers.get(header::AUTHORIZATION);
        let bare = value.and_then(|value| value.to_str().ok());
        let bare = bare.filter(|text| !text.contains(' '));
        Ok(Self(bearer_of(&parts.headers).or(bare).map(str::to_owned)))
    }
}

impl Takes for Token {
    fn describe(operation: &mut Operation) {
        operation.secure(Security::Bearer);
    }
}
