//! A service broker for tests: a server that speaks the Open Service Broker API, keeps what it was
//! asked for, and misbehaves when it is told to.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};

/// The name that it takes.
pub(crate) const USER: &str = "platform";
/// The password that it takes.
pub(crate) const PASSWORD: &str = "s3cret";

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

/// An answer that is given instead of a good one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Canned {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) delay: Duration,
}

/// How it behaves.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// What it offers.
    pub(crate) catalog: Value,
    /// Whether it does things later.
    pub(crate) later: bool,
    /// How often it says that it is at it.
    pub(crate) polls: u32,
    /// What it says at the end: `succeeded` or `failed`.
    pub(crate) end: &'static str,
    /// Answers by method and a part of the path.
    pub(crate) canned: Vec<(&'static str, &'static str, Canned)>,
    /// What bound apps are told.
    pub(crate) credentials: Value,
}

#[derive(Debug)]
struct Inner {
    rules: Rules,
    seen: Vec<Seen>,
    instances: BTreeMap<String, Value>,
    bindings: BTreeMap<String, Value>,
    /// What goes on, by path: how often it is still to be said, and whether it is a deletion.
    open: BTreeMap<String, (u32, bool)>,
}

/// A running broker. It ends with the test's process.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    at: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

/// A catalog of one offering, `name`, with the plans `small` and `large`.
pub(crate) fn catalog(name: &str) -> Value {
    json!({ "services": [{
        "id": format!("{name}-id"),
        "name": name,
        "description": "made for a test",
        "bindable": true,
        "plan_updateable": true,
        "instances_retrievable": true,
        "bindings_retrievable": true,
        "allow_context_updates": true,
        "tags": ["sql", "test"],
        "metadata": { "shareable": true, "documentationUrl": "https://docs.example.kr" },
        "plans": [
            { "id": format!("{name}-small"), "name": "small", "description": "10 MB",
              "maintenance_info": { "version": "1.0.0", "description": "first" } },
            { "id": format!("{name}-large"), "name": "large", "description": "10 GB",
              "free": false, "metadata": { "costs": [
                  { "amount": { "usd": 9.5 }, "unit": "MONTHLY" } ] },
              "maintenance_info": { "version": "1.0.0", "description": "first" } },
        ],
    }] })
}

impl Broker {
    /// A broker that offers `name` and does everything at once.
    pub(crate) fn start(name: &str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let at = listener.local_addr().unwrap();
        let rules = Rules {
            catalog: catalog(name),
            later: false,
            polls: 1,
            end: "succeeded",
            canned: Vec::new(),
            credentials: json!({ "uri": "mysql://user:word@db.example.kr:3306/x" }),
        };
        let inner = Arc::new(Mutex::new(Inner {
            rules,
            seen: Vec::new(),
            instances: BTreeMap::new(),
            bindings: BTreeMap::new(),
            open: BTreeMap::new(),
        }));
        let broker = Self { at, inner };
        let served = broker.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(served.serve(listener));
        });
        broker
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Has it behave otherwise from now on.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.lock().rules);
    }

    /// Has it answer requests of `method` whose path contains `part` so.
    pub(crate) fn answer(&self, method: &'static str, part: &'static str, canned: Canned) {
        self.change(|rules| rules.canned.push((method, part, canned)));
    }

    /// Has it behave again.
    pub(crate) fn behave(&self) {
        self.change(|rules| rules.canned.clear());
    }

    /// The requests of `method` whose path contains `part`.
    pub(crate) fn seen(&self, method: &str, part: &str) -> Vec<Seen> {
        let inner = self.lock();
        let seen = inner.seen.iter();
        seen.filter(|seen| seen.method == method && seen.path.contains(part))
            .cloned()
            .collect()
    }

    /// How many instances and bindings it has.
    pub(crate) fn holds(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.instances.len(), inner.bindings.len())
    }

    async fn serve(self, listener: std::net::TcpListener) {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let broker = self.clone();
            connections.spawn(async move {
                let service = service_fn(move |request| {
                    let broker = broker.clone();
                    async move { Ok::<_, std::convert::Infallible>(broker.handle(request).await) }
                });
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }

    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.map(|body| body.to_bytes());
        let seen = Seen {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head
                .headers
                .iter()
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    (name.to_string(), value)
                })
                .collect(),
            body: serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or(Value::Null),
        };
        let canned = {
            let mut inner = self.lock();
            inner.seen.push(seen.clone());
            let canned = inner.rules.canned.iter();
            let mut fitting = canned.filter(|(method, part, _)| {
                (*method == "*" || *method == seen.method) && seen.path.contains(part)
            });
            fitting.next().map(|(.., canned)| canned.clone())
        };
        if let Some(canned) = canned {
            tokio::time::sleep(canned.delay).await;
            let mut response = Response::builder().status(canned.status);
            for (name, value) in canned.headers {
                response = response.header(name, value);
            }
            return response.body(Full::new(canned.body.into())).unwrap();
        }
        let (status, body) = self.lock().answer(&seen);
        Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(Full::new(body.to_string().into()))
            .unwrap()
    }
}

impl Inner {
    fn answer(&mut self, seen: &Seen) -> (u16, Value) {
        let login = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            format!("{USER}:{PASSWORD}"),
        );
        if seen.headers.get("authorization") != Some(&format!("Basic {login}")) {
            return (401, json!({ "description": "who are you?" }));
        }
        if seen.headers.get("x-broker-api-version").map(String::as_str) != Some("2.17") {
            return (412, json!({}));
        }
        let parts: Vec<&str> = seen.path.split('/').skip(2).collect();
        match (seen.method.as_str(), parts.as_slice()) {
            ("GET", ["catalog"]) => (200, self.rules.catalog.clone()),
            ("GET", [.., "last_operation"]) => self.last_operation(seen),
            (method, ["service_instances", id]) => self.instance(method, id, seen),
            (method, ["service_instances", _, "service_bindings", id]) => {
                self.binding(method, id, seen)
            }
            _ => (404, json!({ "description": "no such thing" })),
        }
    }

    fn later(&mut self, seen: &Seen, deletes: bool) -> (u16, Value) {
        let polls = self.rules.polls;
        self.open.insert(seen.path.clone(), (polls, deletes));
        (202, json!({ "operation": "task 7&x=y" }))
    }

    fn instance(&mut self, method: &str, id: &str, seen: &Seen) -> (u16, Value) {
        let shown = json!({ "dashboard_url": format!("https://dashboard.example.kr/{id}") });
        match method {
            "PUT" => {
                let before = self.instances.insert(id.to_owned(), seen.body.clone());
                if self.rules.later {
                    return self.later(seen, false);
                }
                (if before.is_some() { 200 } else { 201 }, shown)
            }
            "PATCH" => {
                if let Some(instance) = self.instances.get_mut(id) {
                    instance["plan_id"] = seen.body["plan_id"].clone();
                    if !seen.body["parameters"].is_null() {
                        instance["parameters"] = seen.body["parameters"].clone();
                    }
                }
                if self.rules.later {
                    return self.later(seen, false);
                }
                (200, json!({}))
            }
            "DELETE" => {
                if self.rules.later && self.instances.contains_key(id) {
                    return self.later(seen, true);
                }
                match self.instances.remove(id) {
                    Some(_) => (200, json!({})),
                    None => (410, json!({})),
                }
            }
            _ => match self.instances.get(id) {
                Some(instance) => (
                    200,
                    json!({
                        "dashboard_url": shown["dashboard_url"],
                        "parameters": instance.get("parameters").unwrap_or(&json!({})),
                    }),
                ),
                None => (404, json!({})),
            },
        }
    }

    fn binding(&mut self, method: &str, id: &str, seen: &Seen) -> (u16, Value) {
        match method {
            "PUT" => {
                self.bindings.insert(id.to_owned(), seen.body.clone());
                if self.rules.later {
                    return self.later(seen, false);
                }
                (201, json!({ "credentials": self.rules.credentials }))
            }
            "DELETE" => {
                if self.rules.later && self.bindings.contains_key(id) {
                    return self.later(seen, true);
                }
                match self.bindings.remove(id) {
                    Some(_) => (200, json!({})),
                    None => (410, json!({})),
                }
            }
            _ => match self.bindings.get(id) {
                Some(binding) => {
                    let none = Value::Object(Map::new());
                    let parameters = binding.get("parameters").unwrap_or(&none);
                    (
                        200,
                        json!({
                            "credentials": self.rules.credentials, "parameters": parameters,
                        }),
                    )
                }
                None => (404, json!({})),
            },
        }
    }

    fn last_operation(&mut self, seen: &Seen) -> (u16, Value) {
        let path = seen.path.trim_end_matches("/last_operation").to_owned();
        if !seen.query.contains("operation=task%207%26x%3Dy") {
            return (400, json!({ "description": "which operation?" }));
        }
        let end = self.rules.end;
        match self.open.get_mut(&path) {
            None => (410, json!({})),
            Some((0, deletes)) => {
                if *deletes && end == "succeeded" {
                    let id = path.rsplit('/').next().unwrap_or_default();
                    self.instances.remove(id);
                    self.bindings.remove(id);
                }
                self.open.remove(&path);
                (200, json!({ "state": end, "description": "at last" }))
            }
            Some((left, _)) => {
                *left -= 1;
                (
                    200,
                    json!({ "state": "in progress", "description": "half of it" }),
                )
            }
        }
    }
}
