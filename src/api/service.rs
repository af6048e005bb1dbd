//! The API as one function from requests to responses.

use std::error::Error;

use axum::{Router, body::Body};
use bytes::Bytes;
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use tower_service::Service as _;

use super::{Api, Tls, router};

/// A response's body, whatever made it.
pub type ResponseBody = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// Answers requests; clones share it.
#[derive(Debug, Clone)]
pub struct Service {
    router: Router,
}

impl Service {
    /// A service on `api`.
    #[must_use]
    pub fn new(api: Api) -> Self {
        Self {
            router: router(api),
        }
    }

    /// Answers `request`, which came over TLS or not.
    pub async fn answer<B>(
        &self,
        request: http::Request<B>,
        tls: bool,
    ) -> http::Response<ResponseBody>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Tls(tls));
        // A clone of a router is one reference count, and always ready.
        let response = match self.router.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        response.map(|body| body.map_err(Into::into).boxed_unsync())
    }
}
