//! From a request to who answers it.

use std::{convert::Infallible, rc::Rc, sync::Arc, time::SystemTime};

use http::{
    HeaderName, HeaderValue, Request, Response, StatusCode, Version, header, request::Parts,
};
use hyper::body::Incoming;

use super::{
    access::Asked,
    api,
    body::Outgoing,
    exchange::Exchange,
    headers::{self, B3_TRACE, FORWARDED_FOR, FORWARDED_PROTO, REQUEST_ID},
    io::ConnState,
    proxy,
    refusal::Refusal,
    request::{self, Host},
    route_service, site, sticky,
    worker::Worker,
};
use crate::{
    model::InstanceId,
    routing::{AddressError, Backend, Entry, InstanceAddress, Target},
};

pub(super) const APP_INSTANCE: HeaderName = HeaderName::from_static("x-cf-app-instance");

/// Answers one request.
pub(super) async fn handle(
    worker: Rc<Worker>,
    conn: Arc<ConnState>,
    request: Request<Incoming>,
) -> Result<Response<Outgoing>, Infallible> {
    let mut exchange = Some(Exchange::begin(&worker, &conn));
    // What a refusal needs to know of the request, which by then may be gone.
    let method = request.method().clone();
    let version = request.version();
    let asked = accepted(request.headers());
    let mut host = None;
    let outcome = route(&worker, &conn, &mut exchange, &mut host, request).await;
    let mut response = outcome.unwrap_or_else(|refusal| {
        let host = host.as_ref().map_or("", Host::as_str);
        if let Some(exchange) = &mut exchange {
            exchange.refused(refusal.code());
        }
        refusal.response(&method, &asked, host)
    });
    if !response.headers().contains_key(REQUEST_ID) {
        let id = headers::fresh_request_id(|| worker.random());
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let ends = worker.draining.get() && version < Version::HTTP_2;
    if ends && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(mut exchange) = exchange {
        exchange.answered(response.status().as_u16());
        response = response.map(|body| body.watched_by(exchange));
    }
    Ok(response)
}

/// The headers by which the form of a refusal is chosen.
fn accepted(headers: &http::HeaderMap) -> http::HeaderMap {
    let mut copy = http::HeaderMap::new();
    for name in [header::ACCEPT, header::ACCEPT_LANGUAGE] {
        if let Some(value) = headers.get(&name) {
            copy.insert(name, value.clone());
        }
    }
    copy
}

async fn route(
    worker: &Rc<Worker>,
    conn: &Arc<ConnState>,
    exchange: &mut Option<Box<Exchange>>,
    found: &mut Option<Host>,
    mut request: Request<Incoming>,
) -> Result<Response<Outgoing>, Refusal> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (mut parts, body) = request.into_parts();
    let host = found.insert(request::check(&parts, conn)?).clone();
    {
        let name = host.name();
        if request::is_local_name(&name) || (worker.shared.config.platform)(&name) {
            drop(name);
            return api::answer(worker, conn, &host, parts, (body, upgrade)).await;
        }
    }
    let table = worker.shared.table.load();
    let entry = table
        .lookup(host.as_str(), parts.uri.path())
        .ok_or(Refusal::UnknownRoute)?;
    let entry = Arc::clone(entry);
    drop(table);
    if entry.backends.is_empty() {
        return Err(Refusal::NoEndpoints);
    }

    let choice = Choice::of(&entry, &parts.headers)?;
    let protocol = request::upgrade(&parts);
    let mut keep_proto = worker.shared.config.keep_forwarded_proto;
    let mut through = None;
    if let Some(service) = &entry.service {
        through = route_service::turn(worker, conn, &entry, service, &host, &mut parts)?;
        // Who comes from the service knows how the client came.
        keep_proto |= through.is_none();
    }
    headers::strip_hop_by_hop(&mut parts.headers, protocol.clone());
    let id = headers::add_forwarded(&mut parts.headers, conn, keep_proto, || worker.random());
    let with_id = |mut response: Response<Outgoing>| {
        response.headers_mut().insert(REQUEST_ID, id);
        response
    };
    if let Some(service) = through {
        let answer = route_service::visit(worker, conn, exchange, service, parts, body).await;
        return answer.map(with_id);
    }
    if let Some(exchange) = exchange
        && worker.has_line(&entry, exchange.started())
    {
        exchange.asked(asked(&parts, &host, conn));
    }
    let first = choice.first(worker, &entry).ok_or(Refusal::NoEndpoints)?;
    let answer = match &first.target {
        Target::Static { root, site } => {
            if let Some(exchange) = exchange {
                exchange.dispatched_to(&first, &entry);
            }
            Ok(site::answer(worker, (root, site), &parts).await)
        }
        Target::Sandbox { .. } => {
            let upgrade = protocol.map(|protocol| proxy::Upgrade {
                protocol,
                client: upgrade,
            });
            let errand = proxy::Errand {
                worker,
                entry: &entry,
                choice: &choice,
                host: &host,
            };
            errand.run(exchange, first, parts, body, upgrade).await
        }
    };
    answer.map(with_id)
}

/// What is kept of a request for its access line.
pub(super) fn asked(parts: &Parts, host: &Host, conn: &ConnState) -> Asked {
    let header = |name: HeaderName| {
        let value = parts.headers.get(name);
        value.map_or(&b""[..], HeaderValue::as_bytes)
    };
    let target = parts.uri.path_and_query();
    let text = [
        host.value().as_bytes(),
        parts.method.as_str().as_bytes(),
        target.map_or("/", |target| target.as_str()).as_bytes(),
        header(header::REFERER),
        header(header::USER_AGENT),
        header(FORWARDED_FOR),
        header(FORWARDED_PROTO),
        header(REQUEST_ID),
        header(B3_TRACE),
    ];
    Asked::new(SystemTime::now(), conn.peer, parts.version, text)
}

/// Whether the request itself says where it wants to go.
#[derive(Debug)]
pub(super) enum Choice {
    /// To any instance.
    Any,
    /// To this one and no other.
    Pinned(Arc<Backend>),
    /// To the instance of its session while that is there.
    Session(InstanceId),
    /// To any instance of a route service, whose answers are of another app's sessions.
    Passing,
}

impl Choice {
    fn of(entry: &Entry, headers: &http::HeaderMap) -> Result<Self, Refusal> {
        if let Some(address) = headers.get(APP_INSTANCE) {
            let address: InstanceAddress = address
                .to_str()
                .map_err(|_| Refusal::BadInstance)?
                .parse()
                .map_err(|_: AddressError| Refusal::BadInstance)?;
            let backend = entry
                .addressed(address)
                .map_err(|_| Refusal::UnknownInstance)?;
            return Ok(Self::Pinned(Arc::clone(backend)));
        }
        Ok(sticky::wanted(headers).map_or(Self::Any, Self::Session))
    }

    pub(super) fn first(&self, worker: &Worker, entry: &Entry) -> Option<Arc<Backend>> {
        let session = match self {
            Self::Pinned(backend) => Some(backend),
            Self::Session(instance) => entry.instance(*instance),
            Self::Any | Self::Passing => None,
        };
        session.or_else(|| worker.next_backend(entry, &[])).cloned()
    }

    /// The backend after those in `failed`; a pinned request has no other, and where all have
    /// failed, one of them gets another try.
    pub(super) fn next(
        &self,
        worker: &Worker,
        entry: &Entry,
        failed: &[InstanceId],
    ) -> Option<Arc<Backend>> {
        match self {
            Self::Pinned(backend) => Some(Arc::clone(backend)),
            Self::Any | Self::Session(_) | Self::Passing => worker
                .next_backend(entry, failed)
                .or_else(|| worker.next_backend(entry, &[]))
                .cloned(),
        }
    }

    /// Binds a session to the instance that answers, where there is one to bind.
    pub(super) fn bind(&self, headers: &mut http::HeaderMap, answering: InstanceId) {
        match self {
            Self::Passing => {}
            Self::Session(wanted) => sticky::bind(headers, answering, *wanted != answering),
            Self::Any | Self::Pinned(_) => sticky::bind(headers, answering, false),
        }
    }
}
