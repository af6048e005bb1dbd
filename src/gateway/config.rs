//! What a gateway is told when it starts.

use std::{
    borrow::Cow,
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{net::TcpStream, runtime::Handle, sync::watch};

use super::RouteServices;
use crate::sandbox;

/// Opens a connection to a port of an instance, which is named by its folder.
pub type Dial = Arc<dyn Fn(&Path, u16) -> BoxFuture<'static, io::Result<TcpStream>> + Send + Sync>;

/// Whether a host is the platform's own. The host is in lower case, without a port.
pub type PlatformHosts = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// One address to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The address; port 0 for any free one.
    pub addr: SocketAddr,
    /// What an operator changes to get another address, for error messages.
    pub setting: Cow<'static, str>,
}

/// Where TCP routes are served.
#[derive(Debug, Clone)]
pub struct Tcp {
    /// The addresses whose ports are theirs.
    pub addresses: Vec<IpAddr>,
    /// What an operator changes to get other ports, for error messages.
    pub setting: Cow<'static, str>,
    /// Changes whenever the table has.
    pub changed: watch::Receiver<()>,
}

/// What a gateway is told when it starts.
#[derive(Clone)]
pub struct Config {
    /// Addresses for HTTP.
    pub http: Vec<Listen>,
    /// Addresses for HTTPS.
    pub https: Vec<Listen>,
    /// Number of threads; 0 for one a core.
    pub threads: usize,
    /// Which hosts go to the API, besides bare addresses and `localhost`, which always do.
    pub platform: PlatformHosts,
    /// Where the API's requests run.
    pub runtime: Handle,
    /// How instances are reached.
    pub dial: Dial,
    /// Whether a client's `X-Forwarded-Proto` is believed: only where a proxy stands before.
    pub keep_forwarded_proto: bool,
    /// Where TCP routes are served, if at all.
    pub tcp: Option<Tcp>,
    /// How requests go through route services; none where they are not served.
    pub route_services: Option<RouteServices>,
    /// Bounds of size, number and time.
    pub limits: Limits,
}

impl Config {
    /// A gateway that listens nowhere yet and runs the API on `runtime`.
    #[must_use]
    pub fn new(runtime: Handle, platform: PlatformHosts) -> Self {
        Self {
            http: Vec::new(),
            https: Vec::new(),
            threads: 0,
            platform,
            runtime,
            dial: Arc::new(|dir, port| {
                let dir = dir.to_owned();
                Box::pin(async move { sandbox::dial(&dir, port).await })
            }),
            keep_forwarded_proto: false,
            tcp: None,
            route_services: None,
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("http", &self.http)
            .field("https", &self.https)
            .field("threads", &self.threads)
            .field("keep_forwarded_proto", &self.keep_forwarded_proto)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Bounds of size, number and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a request's head.
    pub header_bytes: usize,
    /// Most header lines of a request.
    pub header_count: usize,
    /// Most connections of clients at once, over all threads.
    pub connections: usize,
    /// Most concurrent requests on one HTTP/2 connection.
    pub streams: u32,
    /// Time for a TLS handshake, and from a request's first byte to the end of its head.
    pub header_time: Duration,
    /// How long a client's connection may wait for its next request.
    pub idle: Duration,
    /// How long a client may take nothing of a response that is ready for it.
    pub stall: Duration,
    /// Time to open a connection to an instance.
    pub connect: Duration,
    /// Time until an instance answers with a response's head.
    pub response: Duration,
    /// How long an unused connection to an instance is kept.
    pub upstream_idle: Duration,
    /// Unused connections that one thread keeps to one instance.
    pub upstream_spare: usize,
}

impl Limits {
    /// How often a connection's times are looked at. A limit is so kept to within twice its time.
    pub(super) fn look(&self) -> Duration {
        self.header_time.min(self.idle)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // nginx's `large_client_header_buffers` and gorouter's `max_header_kb` are of this order.
            header_bytes: 64 * 1024,
            header_count: 100,
            connections: 20_000,
            // RFC 9113, 6.5.2 advises at least 100.
            streams: 250,
            header_time: Duration::from_secs(15),
            // Longer than the 60 s after which common load balancers close their side.
            idle: Duration::from_secs(90),
            stall: Duration::from_secs(300),
            // gorouter's dial timeout.
            connect: Duration::from_secs(5),
            // The value of usual Cloud Foundry deployments.
            response: Duration::from_secs(900),
            upstream_idle: Duration::from_secs(60),
            upstream_spare: 64,
        }
    }
}
