//! A request's way to an instance and its answer's way back.

use std::{path::Path, rc::Rc, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, StatusCode, Uri, Version, header, request::Parts};
use hyper::{body::Incoming, client::conn::TrySendError, upgrade::OnUpgrade};
use tokio::{sync::oneshot, time::timeout};

use super::repeat::{copy, expects_continue, is_repeatable, open_on_continue};
use crate::{
    gateway::{
        api::origin_form,
        body::{Download, Outgoing, Source, Upload},
        exchange::Exchange,
        headers,
        pool::{Key, Lease},
        refusal::Refusal,
        request::Host,
        service::Choice,
        site, tunnel,
        worker::Worker,
    },
    model::AppProtocol,
    routing::{Backend, Entry, Target},
};

/// How often a request is tried, as in gorouter.
const ATTEMPTS: usize = 3;

/// A request that must not be sent twice is sent only on connections used this short a time
/// ago, which a server is most unlikely to be closing at this moment.
const SURELY_OPEN: Duration = Duration::from_secs(1);

const REFUSED: Refusal = Refusal::EndpointFailure("endpoint_failure (connection failed)");
const BROKEN: Refusal = Refusal::EndpointFailure("endpoint_failure (connection broken)");
const INVALID: Refusal = Refusal::EndpointFailure("endpoint_failure (invalid response)");
const UNASKED: Refusal = Refusal::EndpointFailure("endpoint_failure (unexpected upgrade)");

/// A change of protocol that the client asks for.
pub(in crate::gateway) struct Upgrade {
    pub(in crate::gateway) protocol: HeaderValue,
    pub(in crate::gateway) client: OnUpgrade,
}

/// A request's way to an instance.
pub(in crate::gateway) struct Errand<'a> {
    pub(in crate::gateway) worker: &'a Rc<Worker>,
    pub(in crate::gateway) entry: &'a Entry,
    pub(in crate::gateway) choice: &'a Choice,
    pub(in crate::gateway) host: &'a Host,
}

/// An answer and the connection that it comes on, where that is to be used again.
struct Answer {
    response: Response<Incoming>,
    lease: Lease,
}

/// Why an attempt failed.
enum Failed {
    /// The request was surely not processed, or may be sent twice.
    Again {
        request: Box<Request<Upload>>,
        /// Whether the instance could be reached.
        reached: bool,
        refusal: Refusal,
    },
    /// The instance may have done what the request asks.
    Finally(Refusal),
}

impl Errand<'_> {
    /// Sends the request to `first`, or where that is safe to others after it.
    pub(in crate::gateway) async fn run(
        &self,
        exchange: &mut Option<Box<Exchange>>,
        first: Arc<Backend>,
        mut parts: Parts,
        body: Incoming,
        upgrade: Option<Upgrade>,
    ) -> Result<Response<Outgoing>, Refusal> {
        parts.uri = origin_form(&parts.uri);
        parts.extensions.clear();
        let mut upload = Upload::new(body);
        let waits = expects_continue(&parts).then(oneshot::channel);
        let mut request = match waits {
            Some((ask, asked)) => {
                upload.wait_for(asked);
                let mut request = Request::from_parts(parts, upload);
                open_on_continue(&mut request, ask);
                request
            }
            None => Request::from_parts(parts, upload),
        };
        if let Some(exchange) = exchange {
            exchange.upload(request.body().state());
        }

        let mut backend = first;
        let mut failed = Vec::new();
        let mut fresh = false;
        for attempt in 1.. {
            if let Some(exchange) = exchange {
                exchange.dispatched_to(&backend, self.entry);
            }
            let (dir, port, protocol) = match &backend.target {
                Target::Sandbox {
                    dir,
                    port,
                    protocol,
                } => (dir, *port, *protocol),
                Target::Static { root, site } => {
                    let parts = request.into_parts().0;
                    return Ok(site::answer(self.worker, (root, site), &parts).await);
                }
            };
            headers::name_instance(request.headers_mut(), &backend);
            let key = Key {
                instance: backend.instance,
                port,
            };
            let outcome = match protocol {
                AppProtocol::Http1 | AppProtocol::Tcp => {
                    self.over_http1(key, dir, request, fresh).await
                }
                AppProtocol::Http2 => self.over_http2(key, dir, request, fresh).await,
            };
            match outcome {
                Ok(answer) => return self.deliver(answer, &backend, exchange, upgrade),
                Err(Failed::Finally(refusal)) => return Err(refusal),
                Err(Failed::Again { refusal, .. }) if attempt == ATTEMPTS => return Err(refusal),
                Err(Failed::Again {
                    request: again,
                    reached,
                    ..
                }) => {
                    self.worker.counters.retry();
                    request = *again;
                    if reached {
                        fresh = true;
                    } else {
                        failed.push(backend.instance);
                    }
                    backend = self
                        .choice
                        .next(self.worker, self.entry, &failed)
                        .unwrap_or(backend);
                }
            }
        }
        Err(BROKEN)
    }

    async fn over_http1(
        &self,
        key: Key,
        dir: &Path,
        mut request: Request<Upload>,
        fresh: bool,
    ) -> Result<Answer, Failed> {
        *request.version_mut() = Version::HTTP_11;
        if request.uri().authority().is_some() {
            *request.uri_mut() = origin_form(request.uri());
        }
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.value().clone());
        headers::join_cookies(headers);
        if headers.contains_key(header::TE) && !headers.contains_key(header::CONNECTION) {
            // TE concerns one connection (RFC 9110, 10.1.4).
            headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        }

        let pool = &self.worker.pool;
        let repeatable = is_repeatable(&request);
        let oldest = if repeatable {
            Duration::MAX
        } else {
            SURELY_OPEN
        };
        let pooled = if fresh {
            None
        } else {
            pool.take(key, oldest).await
        };
        let copy = (pooled.is_some() && repeatable).then(|| copy(&request));
        let mut sender = match pooled {
            Some(sender) => sender,
            None => match self.connect_http1(key, dir).await {
                Some(sender) => sender,
                None => return Err(unreached(request)),
            },
        };
        let upload = Rc::clone(request.body().state());
        let answer = sender.try_send_request(request);
        let response = self.wait(answer, copy).await?;
        let sender = (response.status() != StatusCode::SWITCHING_PROTOCOLS).then_some(sender);
        Ok(Answer {
            response,
            lease: Lease::new(pool, key, sender, &upload),
        })
    }

    async fn over_http2(
        &self,
        key: Key,
        dir: &Path,
        mut request: Request<Upload>,
        fresh: bool,
    ) -> Result<Answer, Failed> {
        let target = Uri::builder()
            .scheme("http")
            .authority(self.host.as_str())
            .path_and_query(
                request
                    .uri()
                    .path_and_query()
                    .map_or("/", |path| path.as_str()),
            )
            .build();
        let Ok(target) = target else {
            return Err(Failed::Finally(Refusal::BadRequest(
                "the host is not a host name",
            )));
        };
        *request.uri_mut() = target;
        *request.version_mut() = Version::HTTP_2;
        // hyper does not tell of a 100 over HTTP/2; an instance can refuse the body at any time.
        request.body_mut().open();
        for name in [header::HOST, header::CONNECTION, header::UPGRADE] {
            request.headers_mut().remove(name);
        }

        let pool = &self.worker.pool;
        let mut sender = match pool.shared(key).filter(|_| !fresh) {
            Some(sender) => sender,
            None => match self.connect_http2(key, dir).await {
                Some(sender) => sender,
                None => return Err(unreached(request)),
            },
        };
        let upload = Rc::clone(request.body().state());
        let copy = is_repeatable(&request).then(|| copy(&request));
        let response = self.wait(sender.try_send_request(request), copy).await?;
        Ok(Answer {
            response,
            lease: Lease::new(pool, key, None, &upload),
        })
    }

    /// Waits for the head of the response. `copy` is the request again, where it may be sent
    /// twice.
    async fn wait(
        &self,
        answer: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Upload>>>>,
        copy: Option<Request<Upload>>,
    ) -> Result<Response<Incoming>, Failed> {
        let Ok(outcome) = timeout(self.worker.shared.config.limits.response, answer).await else {
            return Err(Failed::Finally(Refusal::EndpointTimeout));
        };
        outcome.map_err(|mut failed| {
            let unsent = failed.take_message();
            let error = failed.into_error();
            tracing::debug!(%error, "an instance did not answer");
            if error.is_parse() {
                return Failed::Finally(INVALID);
            }
            match unsent.or(copy) {
                Some(request) => Failed::Again {
                    request: Box::new(request),
                    reached: true,
                    refusal: BROKEN,
                },
                None => Failed::Finally(BROKEN),
            }
        })
    }

    /// Makes the instance's answer the client's.
    fn deliver(
        &self,
        answer: Answer,
        backend: &Backend,
        exchange: &mut Option<Box<Exchange>>,
        upgrade: Option<Upgrade>,
    ) -> Result<Response<Outgoing>, Refusal> {
        let Answer {
            mut response,
            lease,
        } = answer;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let upgrade = upgrade.ok_or(UNASKED)?;
            let far = hyper::upgrade::on(&mut response);
            let (mut parts, _) = response.into_parts();
            let protocol = parts
                .headers
                .remove(header::UPGRADE)
                .unwrap_or(upgrade.protocol);
            headers::strip_hop_by_hop(&mut parts.headers, Some(protocol));
            self.choice.bind(&mut parts.headers, backend.instance);
            if let Some(mut exchange) = exchange.take() {
                exchange.answered(parts.status.as_u16());
                let alive = self.worker.live.one();
                let tunnel = tunnel::carry(upgrade.client, far, exchange, alive);
                tokio::task::spawn_local(tunnel);
            }
            return Ok(Response::from_parts(parts, Outgoing::empty()));
        }
        let (mut parts, body) = response.into_parts();
        parts.version = Version::HTTP_11;
        if parts.headers.contains_key(header::TRANSFER_ENCODING) {
            // The coding counts (RFC 9112, 6.3), and the length of it would be wrong here.
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        headers::strip_hop_by_hop(&mut parts.headers, None);
        self.choice.bind(&mut parts.headers, backend.instance);
        let body = Outgoing::new(Source::Upstream(Download::new(body, Some(lease))));
        Ok(Response::from_parts(parts, body))
    }
}

fn unreached(request: Request<Upload>) -> Failed {
    Failed::Again {
        request: Box::new(request),
        reached: false,
        refusal: REFUSED,
    }
}
