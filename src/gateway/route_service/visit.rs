//! Sends a request to a route service and hands its answer on.

use std::{fmt, rc::Rc, sync::Arc};

use http::{HeaderValue, Request, Response, StatusCode, Uri, Version, header, request::Parts};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio_util::task::AbortOnDropHandle;

use super::Seal;
use crate::{
    gateway::{
        Limits,
        body::{Download, Lent, Outgoing, Source},
        exchange::Exchange,
        headers,
        io::ConnState,
        proxy::Errand,
        refusal::Refusal,
        request::Host,
        service::{Choice, asked},
        site,
        worker::Worker,
    },
    net::{self, Client, Lookup, NetError, Verify},
    routing::{Entry, RouteService, Target},
};

const UNREACHED: Refusal = Refusal::EndpointFailure("endpoint_failure (route service unreachable)");
const FORBIDDEN: Refusal =
    Refusal::EndpointFailure("endpoint_failure (route service address not allowed)");
const BROKEN: Refusal = Refusal::EndpointFailure("endpoint_failure (route service broke off)");
const UNASKED: Refusal = Refusal::EndpointFailure("endpoint_failure (unexpected upgrade)");

/// What a gateway needs to send requests through route services; clones share the connections.
#[derive(Clone)]
pub struct RouteServices {
    pub(super) seal: Arc<Seal>,
    /// For addresses that an admin stands behind.
    any: Client,
    /// For those that a tenant chose: the internet alone, whatever names resolve to.
    public: Client,
}

impl fmt::Debug for RouteServices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteServices").finish_non_exhaustive()
    }
}

impl RouteServices {
    /// Ones that are trusted as `verify` says and have as long to answer as an instance has.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn try_new(seal: Seal, limits: &Limits, verify: &Verify) -> Result<Self, NetError> {
        let lookup = Lookup::default();
        let client = |lookup: Lookup| {
            let config = net::Config {
                verify: verify.clone(),
                connect_timeout: limits.connect,
                idle_timeout: limits.response,
                ..net::Config::default()
            };
            Client::try_new(config, lookup)
        };
        Ok(Self {
            seal: Arc::new(seal),
            public: client(lookup.public_only())?,
            any: client(lookup)?,
        })
    }
}

/// Sends the request to `service`: straight to an instance where it is an app of this platform.
pub(in crate::gateway) async fn visit(
    worker: &Rc<Worker>,
    conn: &ConnState,
    exchange: &mut Option<Box<Exchange>>,
    service: &RouteService,
    mut parts: Parts,
    body: Incoming,
) -> Result<Response<Outgoing>, Refusal> {
    let url = service.url.as_ref().ok_or(UNREACHED)?;
    let host = Host::of(url).ok_or(UNREACHED)?;
    let table = worker.shared.table.load();
    let here = table.lookup(host.as_str(), url.path()).map(Arc::clone);
    drop(table);
    parts.uri = url.clone();
    match here {
        Some(entry) => {
            if let Some(exchange) = exchange
                && worker.has_line(&entry, exchange.started())
            {
                exchange.asked(asked(&parts, &host, conn));
            }
            inside(worker, exchange, &entry, &host, parts, body).await
        }
        None => outside(worker, service.vouched, parts, body).await,
    }
}

/// The way to an app of this platform.
async fn inside(
    worker: &Rc<Worker>,
    exchange: &mut Option<Box<Exchange>>,
    entry: &Entry,
    host: &Host,
    parts: Parts,
    body: Incoming,
) -> Result<Response<Outgoing>, Refusal> {
    if entry.service.is_some() {
        // The signature is another route's, and so would be an end to any chain.
        return Err(Refusal::SignatureInvalid);
    }
    let choice = Choice::Passing;
    let first = choice
        .next(worker, entry, &[])
        .ok_or(Refusal::NoEndpoints)?;
    if let Target::Static { root, site } = &first.target {
        if let Some(exchange) = exchange {
            exchange.dispatched_to(&first, entry);
        }
        return Ok(site::answer(worker, (root, site), &parts).await);
    }
    let errand = Errand {
        worker,
        entry,
        choice: &choice,
        host,
    };
    errand.run(exchange, first, parts, body, None).await
}

/// The way to any other server, by the platform's own client on the platform's runtime: that is
/// no hurry, and the connections are shared by all threads.
async fn outside(
    worker: &Worker,
    vouched: bool,
    mut parts: Parts,
    body: Incoming,
) -> Result<Response<Outgoing>, Refusal> {
    let config = &worker.shared.config;
    let services = config.route_services.as_ref();
    let services = services.ok_or(Refusal::RouteServicesOff)?;
    let client = if vouched {
        services.any.clone()
    } else {
        services.public.clone()
    };
    headers::join_cookies(&mut parts.headers);
    let asks_first = parts.headers.contains_key(header::EXPECT);
    // The client sets the host; it sends the body without being asked, and knows no trailers.
    for name in [header::HOST, header::EXPECT, header::TE] {
        parts.headers.remove(name);
    }
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let (body, rest) = Lent::new(body, asks_first);
    let request = Request::from_parts(parts, body.boxed_unsync());
    // The client's leaving drops this future, and with it the task.
    let sent = config
        .runtime
        .spawn(async move { client.send(request).await });
    let response = match AbortOnDropHandle::new(sent).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(refusal(&error)),
        Err(error) => {
            tracing::error!(%error, "a request to a route service ended early");
            return Err(BROKEN);
        }
    };
    rest.linger().await;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(UNASKED);
    }
    let (mut parts, body) = response.into_parts();
    parts.version = Version::HTTP_11;
    if parts.headers.contains_key(header::TRANSFER_ENCODING) {
        // The coding counts (RFC 9112, 6.3), and the length of it would be wrong here.
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    headers::strip_hop_by_hop(&mut parts.headers, None);
    let body = Outgoing::new(Source::Upstream(Download::new(body, None)));
    Ok(Response::from_parts(parts, body))
}

fn refusal(error: &NetError) -> Refusal {
    tracing::debug!(%error, "a route service did not answer");
    match error {
        NetError::Timeout { .. } => Refusal::EndpointTimeout,
        NetError::Certificate { .. } => Refusal::UntrustedCertificate,
        NetError::Refused { .. } => FORBIDDEN,
        NetError::Connect { .. } => UNREACHED,
        NetError::CaFile { .. }
        | NetError::Tls(_)
        | NetError::Broken { .. }
        | NetError::TooLarge { .. } => BROKEN,
    }
}

impl Host {
    /// Where a URL leads, as a Host header.
    fn of(url: &Uri) -> Option<Self> {
        let host = url.host()?;
        let host = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        HeaderValue::try_from(host).ok().map(Self::from_value)
    }
}
