//! A gateway on free ports, with backends and clients to talk through it.

use std::{
    future::Future,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
};

use crate::{
    certs::{self, Certs},
    gateway::{self, AccessLines, ApiService, Config, Gateway, Listen, Peer},
    model::{AppId, AppProtocol, InstanceId, RouteId, SpaceId},
    routing::{Backend, Balance, Entry, Load, RouteTable, Target},
};

/// Longer than anything takes that works.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// A running gateway. Its platform hosts are `api.test` and addresses.
pub(super) struct Bed {
    pub(super) gateway: Gateway,
    pub(super) http: SocketAddr,
    pub(super) https: SocketAddr,
    pub(super) table: Arc<ArcSwap<RouteTable>>,
    pub(super) lines: AccessLines,
    pub(super) certs: Arc<Certs>,
    _dir: TempDir,
}

impl Bed {
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        Self::with(entries, |_| {})
    }

    pub(super) fn with(entries: Vec<Entry>, adapt: impl FnOnce(&mut Config)) -> Self {
        Self::serving(entries, adapt, Arc::new(|request| Box::pin(api(request))))
    }

    /// With an API of the test's own.
    pub(super) fn serving(
        entries: Vec<Entry>,
        adapt: impl FnOnce(&mut Config),
        api: ApiService,
    ) -> Self {
        let dir = TempDir::new().unwrap();
        let certs = Certs::open(certs::Config {
            dir: dir.path().join("certs"),
            files: Vec::new(),
            own: Arc::new(|name| name.ends_with(".test") || name.ends_with(".localhost")),
            addresses: Vec::new(),
        })
        .unwrap();
        let table = Arc::new(ArcSwap::from_pointee(RouteTable::default()));
        let mut config = Config::new(Handle::current(), Arc::new(|host| host == "api.test"));
        let free = || Listen {
            addr: "127.0.0.1:0".parse().unwrap(),
            setting: "a test".into(),
        };
        (config.http, config.https, config.threads) = (vec![free()], vec![free()], 1);
        // The folder of a test's backend is its address.
        config.dial = Arc::new(|dir, _| {
            let addr: SocketAddr = dir.to_str().unwrap().parse().unwrap();
            Box::pin(TcpStream::connect(addr))
        });
        adapt(&mut config);
        let (log, lines) = gateway::access_log(100);
        let gateway = Gateway::start(config, Arc::clone(&table), &certs, api, log).unwrap();
        let (http, https) = (gateway.http_addrs()[0], gateway.https_addrs()[0]);
        let bed = Self {
            gateway,
            http,
            https,
            table,
            lines,
            certs,
            _dir: dir,
        };
        bed.route(entries);
        bed
    }

    pub(super) fn route(&self, entries: Vec<Entry>) {
        let entries = entries.into_iter().map(Arc::new).collect();
        self.table.store(Arc::new(RouteTable::new(entries)));
    }

    /// What the gateway answers to these bytes until it closes the connection.
    pub(super) async fn talk(&self, request: &str) -> String {
        talk(self.http, request).await
    }

    pub(super) async fn line(&mut self) -> String {
        within(self.lines.recv()).await.unwrap().line()
    }

    /// A client of HTTP/2 by prior knowledge.
    pub(super) async fn http2(&self) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(self.http).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        sender
    }
}

async fn api(request: Request<gateway::Body>) -> Response<gateway::Body> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let peer = parts.extensions.get::<Peer>().unwrap();
    let host = parts.headers["host"].to_str().unwrap();
    let text = format!(
        "{} {} {host} {} tls={} {}",
        parts.method,
        parts.uri,
        peer.addr.ip(),
        peer.tls,
        String::from_utf8_lossy(&body)
    );
    Response::new(gateway::full(text))
}

pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("within the deadline")
}

/// What the server at `addr` answers to these bytes until it closes the connection.
pub(super) async fn talk(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is an end too.
    let _ = within(stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads until `end` has come.
pub(super) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&text).contains(end) {
        let count = within(stream.read(&mut buffer)).await.unwrap();
        assert!(count > 0, "ended with {:?}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A backend that handles each connection as a test says.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) addr: SocketAddr,
    pub(super) connections: Arc<AtomicUsize>,
    pub(super) app: AppId,
    pub(super) instance: InstanceId,
}

impl Origin {
    /// Calls `handle` with each connection and its number from 1.
    pub(super) async fn raw<F, Fut>(handle: F) -> Self
    where
        F: Fn(TcpStream, usize) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, SeqCst) + 1;
                tokio::spawn(handle(stream, number));
            }
        });
        Self {
            addr,
            connections,
            app: AppId::random(),
            instance: InstanceId::random(),
        }
    }

    /// A server of HTTP/1 and HTTP/2.
    pub(super) async fn http<F, Fut, B>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self::raw(move |stream, _| {
            let answer = answer.clone();
            async move {
                let service = hyper::service::service_fn(move |request| {
                    let response = answer(request);
                    async move { Ok::<_, std::convert::Infallible>(response.await) }
                });
                let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                    .serve_connection_with_upgrades(TokioIo::new(stream), service)
                    .await;
            }
        })
        .await
    }

    /// Answers every request with its head and body as text.
    pub(super) async fn echo() -> Self {
        Self::http(|request: Request<Incoming>| async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let mut text = format!("{} {} {:?}\n", parts.method, parts.uri, parts.version);
            for (name, value) in &parts.headers {
                text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
            }
            text.push('\n');
            text.push_str(&String::from_utf8_lossy(&body));
            Response::new(Full::new(Bytes::from(text)))
        })
        .await
    }

    /// A backend where nobody listens.
    pub(super) async fn dead() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        Self {
            addr,
            connections: Arc::default(),
            app: AppId::random(),
            instance: InstanceId::random(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.connections.load(SeqCst)
    }

    pub(super) fn backend(&self, index: u32, protocol: AppProtocol) -> Arc<Backend> {
        Arc::new(Backend {
            app: self.app,
            space: SpaceId::random(),
            process: (
                crate::model::ProcessId::random(),
                crate::model::ProcessType::web(),
            ),
            instance: self.instance,
            index,
            weight: None,
            load: Load::default(),
            target: Target::Sandbox {
                dir: PathBuf::from(self.addr.to_string()),
                port: 8080,
                protocol,
            },
        })
    }

    /// A route to this backend alone.
    pub(super) fn at(&self, host: &str) -> Entry {
        entry(host, vec![self.backend(0, AppProtocol::Http1)])
    }
}

pub(super) fn entry(host: &str, backends: Vec<Arc<Backend>>) -> Entry {
    Entry {
        route: RouteId::random(),
        host: host.to_owned(),
        path: String::new(),
        port: None,
        service: None,
        balance: Balance::default(),
        backends,
    }
}
