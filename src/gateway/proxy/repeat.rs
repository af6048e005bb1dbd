//! Which requests may be sent again, and which bodies wait.

use std::sync::Mutex;

use http::{HeaderName, Request, StatusCode, header, request::Parts};
use tokio::sync::oneshot;

use crate::gateway::body::Upload;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const X_IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("x-idempotency-key");

/// Whether sending the request twice does no harm and is possible.
pub(super) fn is_repeatable(request: &Request<Upload>) -> bool {
    let headers = request.headers();
    request.body().is_empty()
        && !headers.contains_key(header::UPGRADE)
        && (request.method().is_idempotent()
            || headers.contains_key(IDEMPOTENCY_KEY)
            || headers.contains_key(X_IDEMPOTENCY_KEY))
}

/// The request again; it has no body.
pub(super) fn copy(request: &Request<Upload>) -> Request<Upload> {
    let mut copy = Request::new(Upload::nothing(request.body().state()));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}

pub(super) fn expects_continue(parts: &Parts) -> bool {
    parts
        .headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Sends on `ask` when the instance answers with 100.
pub(super) fn open_on_continue(request: &mut Request<Upload>, ask: oneshot::Sender<()>) {
    let ask = Mutex::new(Some(ask));
    hyper::ext::on_informational(request, move |response| {
        if response.status() == StatusCode::CONTINUE
            && let Ok(mut ask) = ask.lock()
            && let Some(ask) = ask.take()
        {
            let _ = ask.send(());
        }
    });
}
