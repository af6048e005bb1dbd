//! Requests for the platform itself, which run elsewhere.

use std::{net::SocketAddr, sync::Arc};

use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode, Uri, header, request::Parts};
use http_body_util::BodyExt;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use tokio_util::task::AbortOnDropHandle;

use super::{
    body::{Body, Lent, Outgoing, Source},
    headers::{REQUEST_ID, fresh_request_id, strip_hop_by_hop},
    io::ConnState,
    refusal::Refusal,
    request::{self, Host},
    worker::Worker,
};

/// Answers the platform's own requests. Each runs as a task on the runtime of the gateway's
/// [`Config`](super::Config), and is aborted where its client leaves.
pub type ApiService =
    Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// Who sent a request: an extension of every request that an [`ApiService`] gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The client's address.
    pub addr: SocketAddr,
    /// Whether the request came over TLS.
    pub tls: bool,
}

/// Has the platform answer. Its requests have an origin-form target and always a Host header.
pub(super) async fn answer(
    worker: &Worker,
    conn: &ConnState,
    host: &Host,
    mut parts: Parts,
    (body, upgrade): (Incoming, OnUpgrade),
) -> Result<Response<Outgoing>, Refusal> {
    let protocol = request::upgrade(&parts);
    strip_hop_by_hop(&mut parts.headers, protocol.clone());
    parts.headers.insert(header::HOST, host.value().clone());
    let id = fresh_request_id(|| worker.random());
    parts.headers.insert(REQUEST_ID, id.clone());
    parts.uri = origin_form(&parts.uri);
    parts.extensions.clear();
    parts.extensions.insert(Peer {
        addr: conn.peer,
        tls: conn.tls,
    });
    if protocol.is_some() {
        parts.extensions.insert(upgrade);
    }
    let (body, rest) = Lent::new(body, parts.headers.contains_key(header::EXPECT));
    let answer = (worker.shared.api)(Request::from_parts(parts, body.boxed_unsync()));
    // The client's leaving drops this future, and with it the task.
    let task = AbortOnDropHandle::new(worker.shared.config.runtime.spawn(answer));
    match task.await {
        Ok(response) => {
            rest.linger().await;
            let mut response = response.map(|body| Outgoing::new(Source::Api(body)));
            let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
            strip_hop_by_hop(response.headers_mut(), protocol.filter(|_| switches));
            response.headers_mut().entry(REQUEST_ID).or_insert(id);
            Ok(response)
        }
        Err(error) => {
            tracing::error!(%error, "a request to the platform was not answered");
            Err(Refusal::ApiFailure)
        }
    }
}

/// The path and query alone.
pub(super) fn origin_form(uri: &Uri) -> Uri {
    match uri.path_and_query() {
        Some(target) if uri.authority().is_some() => Uri::from(target.clone()),
        Some(_) => uri.clone(),
        None => Uri::from_static("/"),
    }
}
