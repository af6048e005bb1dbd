//! The HTTP client: one pool of connections, and a limit on how long anything may take.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri, header::PROXY_AUTHORIZATION};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioTimer},
};

use super::{
    Lookup, NetError, Proxies, Verify,
    body::{Body, Upload},
    proxy::Route,
    tls,
};

/// How requests are made.
#[derive(Debug, Clone)]
pub struct Config {
    /// How servers are trusted.
    pub verify: Verify,
    /// How long a TCP connection may take to open.
    pub connect_timeout: Duration,
    /// How long a request may go without a sign of life: a byte sent, or the answer.
    pub idle_timeout: Duration,
    /// Most bytes of an answer that is read as a whole.
    pub answer_limit: usize,
    /// Proxies that servers are asked through.
    pub proxies: Proxies,
}

/// As long as the stock Cloud Foundry client waits: enough for a lost SYN to be sent again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(6);

/// Longer than the slowest synchronous call of the API, the unpacking of a large package.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// A page of 5,000 resources of some 3 kB each.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

impl Default for Config {
    fn default() -> Self {
        Self {
            verify: Verify::System,
            connect_timeout: CONNECT_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            answer_limit: ANSWER_LIMIT,
            proxies: Proxies::default(),
        }
    }
}

type Inner = legacy::Client<HttpsConnector<Route>, Body>;

/// Makes requests; clones share the connections.
#[derive(Clone)]
pub struct Client {
    inner: Inner,
    lookup: Lookup,
    config: Arc<Config>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client that looks names up with `lookup`.
    ///
    /// # Errors
    /// [`NetError::CaFile`] or [`NetError::Tls`] where trust could not be set up.
    pub fn try_new(config: Config, lookup: Lookup) -> Result<Self, NetError> {
        let tls = tls::client_config(&config.verify)?;
        let proxies = Arc::new(config.proxies.clone());
        let route = Route::new(&lookup, proxies, config.connect_timeout);
        let https = HttpsConnector::from((route, tls));
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(https);
        Ok(Self {
            inner,
            lookup,
            config: Arc::new(config),
        })
    }

    /// The answer to `request` as soon as its head is there.
    ///
    /// # Errors
    /// [`NetError`] says how far the request came.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, NetError> {
        self.send_watched(request, &AtomicU64::new(0)).await
    }

    /// The whole answer to `request`, up to the limit of the configuration.
    ///
    /// # Errors
    /// As [`Client::send`], and [`NetError::TooLarge`].
    pub async fn fetch(&self, request: Request<Body>) -> Result<Response<Bytes>, NetError> {
        let server = server(request.uri());
        let response = self.send(request).await?;
        self.collect(server, response).await
    }

    /// Sends a request with a streamed body and reads the whole answer.
    ///
    /// # Errors
    /// As [`Client::fetch`]; it times out only where nothing moves.
    pub async fn upload(&self, request: Request<Upload>) -> Result<Response<Bytes>, NetError> {
        let server = server(request.uri());
        let sent = request.body().sent();
        let request = request.map(BodyExt::boxed_unsync);
        let response = self.send_watched(request, &sent).await?;
        self.collect(server, response).await
    }

    async fn send_watched(
        &self,
        mut request: Request<Body>,
        sent: &AtomicU64,
    ) -> Result<Response<Incoming>, NetError> {
        let server = server(request.uri());
        // The connector asks the lookup for names alone.
        if let Some(host) = request.uri().host() {
            self.lookup
                .check_address(host)
                .map_err(|source| NetError::Refused {
                    server: server.clone(),
                    source,
                })?;
        }
        if let Some(login) = self.config.proxies.login(request.uri()) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, login);
        }
        let mut answer = self.inner.request(request);
        let mut seen = 0;
        loop {
            match tokio::time::timeout(self.config.idle_timeout, &mut answer).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => return Err(NetError::of_request(server, error)),
                Err(_) => {
                    let now = sent.load(Ordering::Relaxed);
                    if now == seen {
                        let after = self.config.idle_timeout;
                        return Err(NetError::Timeout { server, after });
                    }
                    seen = now;
                }
            }
        }
    }

    async fn collect(
        &self,
        server: String,
        response: Response<Incoming>,
    ) -> Result<Response<Bytes>, NetError> {
        let limit = self.config.answer_limit;
        let after = self.config.idle_timeout;
        let (head, body) = response.into_parts();
        let whole = Limited::new(body, limit).collect();
        match tokio::time::timeout(after, whole).await {
            Ok(Ok(body)) => Ok(Response::from_parts(head, body.to_bytes())),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                Err(NetError::TooLarge { server, limit })
            }
            Ok(Err(source)) => Err(NetError::Broken { server, source }),
            Err(_) => Err(NetError::Timeout { server, after }),
        }
    }
}

/// Host and port, for messages: the rest of an address may hold secrets.
fn server(uri: &Uri) -> String {
    let host = uri.host().unwrap_or("the server");
    uri.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
