//! What surrounds every request: its id, and the containment of panics.

use std::panic::AssertUnwindSafe;

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;

use super::Failure;
use crate::wire;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-vcap-request-id");
/// Longest request id that is taken from a client.
const LONGEST_ID: usize = 128;
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Gives the request an id, which comes back in the answer, and answers 500 where its
/// handler panics; the rest of the daemon goes on.
pub(super) async fn surround(request: Request, next: Next) -> Response {
    let id = request_id(request.headers().get(&REQUEST_ID));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if method == Method::OPTIONS {
        return (StatusCode::NO_CONTENT, [(header::ALLOW, METHODS)]).into_response();
    }
    let mut response = AssertUnwindSafe(next.run(request))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| {
            tracing::error!(
                request_id = id,
                %method,
                path,
                panic = message(&*panic),
                "a handler panicked"
            );
            Failure::from(wire::Error::unknown("An unknown error occurred.")).into_response()
        });
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    // RFC 9110, 15.5.2: a 401 says how to authenticate.
    if response.status() == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer realm=\"pastina\"");
        let headers = response.headers_mut();
        headers.entry(header::WWW_AUTHENTICATE).or_insert(bearer);
    }
    response
}

/// The client's id, where it is one, with a part of our own behind it, as Cloud Foundry does.
fn request_id(given: Option<&HeaderValue>) -> String {
    let own = uuid::Uuid::new_v4();
    let good = |text: &&str| {
        text.len() <= LONGEST_ID
            && !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_:.".contains(&b))
    };
    match given.and_then(|id| id.to_str().ok()).filter(good) {
        Some(given) => format!("{given}::{own}"),
        None => own.to_string(),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware, routing::get};
    use tower_service::Service as _;

    use super::*;

    #[expect(clippy::panic, reason = "it is what is tested")]
    async fn panics() -> StatusCode {
        panic!("on purpose")
    }

    async fn answer(request: Request) -> Response {
        let router = Router::new()
            .route("/panic", get(panics))
            .route("/fine", get(async || StatusCode::OK))
            .layer(middleware::from_fn(surround));
        router.into_service().call(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_goes_no_further() {
        let request = Request::get("/panic").body(Body::empty()).unwrap();
        let response = answer(request).await;
        assert_eq!(response.status(), 500);
        let body = axum::body::to_bytes(response.into_body(), 1000)
            .await
            .unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(
            text.contains("10001") && !text.contains("purpose"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_request_id_comes_back() {
        let check = async |given: &str, comes_back: bool| {
            let request = Request::get("/fine")
                .header(&REQUEST_ID, given)
                .body(Body::empty())
                .unwrap();
            let response = answer(request).await;
            let id = response.headers()[&REQUEST_ID].to_str().unwrap().to_owned();
            assert_eq!(id.starts_with(&format!("{given}::")), comes_back, "{id}");
        };
        check("abc-1", true).await;
        check("a b", false).await;
        check(&"x".repeat(200), false).await;
    }
}
