//! `/openapi.json` and `/docs`.

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;

use super::{
    document,
    operation::{Answers, Operation},
    page,
    router::{Router, get},
};
use crate::api::endpoints;

pub(in crate::api) fn router() -> Router {
    Router::new()
        .route("/openapi.json", get(show))
        .route("/docs", get(browse))
}

/// The document and the page, made once, since they are as the program was built.
static MADE: LazyLock<(Bytes, Bytes)> = LazyLock::new(|| {
    let document = document::build(&endpoints().entries);
    let page = page::render(&document);
    (document.to_string().into(), page.into())
});

/// The document.
struct Document(Bytes);

impl Answers for Document {
    fn describe(operation: &mut Operation) {
        operation.answer(200, Some(("application/json", serde_json::json!(true))));
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

/// The page.
struct Page(Bytes);

impl Answers for Page {
    fn describe(operation: &mut Operation) {
        operation.answer(200, Some(("text/html", serde_json::json!(true))));
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, page::POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        (headers, self.0).into_response()
    }
}

/// The first request waits for some milliseconds of work; the others do not.
async fn made() -> (Bytes, Bytes) {
    let made = tokio::task::spawn_blocking(|| MADE.clone()).await;
    // It fails where the runtime ends, and nobody reads the answer.
    made.unwrap_or_default()
}

async fn show() -> Document {
    Document(made().await.0)
}

async fn browse() -> Page {
    Page(made().await.1)
}
