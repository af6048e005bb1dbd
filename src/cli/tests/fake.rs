//! The small platform.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use clap::Parser;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::cli::{
    args::{Format, Verb},
    failure::Failure,
    output::Output,
    places::Places,
    profile::{Named, Profile, Secret},
    run::run,
};

/// One request as it came in.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) authorization: String,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

type Answers = Vec<(String, u16, Value)>;

/// A platform that answers what it was taught; the first answer whose beginning fits goes, and
/// where several are the same the last one stays.
pub(super) struct Fake {
    pub(super) api: String,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    pub(super) home: tempfile::TempDir,
    _tasks: JoinSet<()>,
}

/// A token that is good for `seconds` from now.
pub(super) fn token(seconds: i64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let exp = now.saturating_add_signed(seconds);
    let claims = json!({"exp": exp, "user_name": "admin", "user_id": "u", "jti": "j"});
    format!(
        "e30.{}.sig",
        BASE64_URL_SAFE_NO_PAD.encode(claims.to_string())
    )
}

/// A list of one page.
pub(super) fn page(resources: Value) -> Value {
    let mut page = json!({"pagination": {"next": null}});
    page["resources"] = resources;
    page
}

impl Fake {
    pub(super) async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        let (answers, asked) = (Arc::<Mutex<Answers>>::default(), Arc::default());
        let mut tasks = JoinSet::new();
        let (taught, heard) = (Arc::clone(&answers), Arc::clone(&asked));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (taught, heard) = (Arc::clone(&taught), Arc::clone(&heard));
                let service = service_fn(move |request| {
                    answer(request, Arc::clone(&taught), Arc::clone(&heard))
                });
                connections.spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        let fake = Self {
            api: api.clone(),
            answers,
            asked,
            home: tempfile::tempdir().unwrap(),
            _tasks: tasks,
        };
        let link = |path: &str| json!({"href": format!("{api}{path}")});
        fake.teach(
            "GET / ",
            200,
            json!({"links": {
                "cloud_controller_v3": link("/v3"), "login": link("/uaa/"),
                "uaa": link("/uaa"), "log_cache": link("/logs"),
            }}),
        );
        fake
    }

    /// Teaches an answer to requests whose line begins so; a status of 0 breaks the connection.
    pub(super) fn teach(&self, line: &str, status: u16, body: Value) -> &Self {
        self.answers
            .lock()
            .unwrap()
            .push((line.to_owned(), status, body));
        self
    }

    /// Logs in without asking.
    pub(super) fn logged_in(&self) -> &Self {
        let named = |name: &str| {
            Some(Named {
                guid: format!("{name}-id"),
                name: name.to_owned(),
            })
        };
        let profile = Profile {
            api: self.api.clone(),
            login: format!("{}/uaa", self.api),
            log_cache: format!("{}/logs", self.api),
            access_token: Secret(token(600)),
            refresh_token: Secret("refresh".to_owned()),
            org: named("org"),
            space: named("space"),
            ..Profile::default()
        };
        profile.write(self.home.path()).unwrap();
        self
    }

    pub(super) fn places(&self) -> Places {
        let home = self.home.path().display().to_string();
        Places::of(false, &|name| {
            ["HOME", "PASTINA_HOME"]
                .contains(&name)
                .then(|| home.clone())
        })
    }

    /// Runs a command line; gives its outcome, standard output and standard error.
    pub(super) async fn run(&self, line: &[&str]) -> (Result<(), Failure>, String, String) {
        #[derive(Parser)]
        struct Line {
            #[arg(long, value_enum, default_value_t)]
            output: Format,
            #[command(subcommand)]
            verb: Verb,
        }
        let line = Line::parse_from(["pastina"].iter().chain(line));
        let (out, err) = (Buffer::default(), Buffer::default());
        let output = Output::into(line.output, Box::new(out.clone()), Box::new(err.clone()));
        let outcome = run(line.verb, &self.places(), &output).await;
        if let Err(failure) = &outcome {
            output.failure(failure);
        }
        (outcome, out.text(), err.text())
    }

    /// The lines of everything that was asked.
    pub(super) fn lines(&self) -> Vec<String> {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .map(|asked| asked.line.clone())
            .collect()
    }

    /// The one request whose line begins so.
    pub(super) fn one(&self, line: &str) -> Asked {
        let asked = self.asked.lock().unwrap();
        let mut found = asked.iter().filter(|asked| asked.line.starts_with(line));
        let one = found
            .next()
            .unwrap_or_else(|| panic!("nobody asked {line}"))
            .clone();
        assert!(found.next().is_none(), "{line} was asked more than once");
        one
    }
}

async fn answer(
    request: Request<Incoming>,
    taught: Arc<Mutex<Answers>>,
    heard: Arc<Mutex<Vec<Asked>>>,
) -> io::Result<Response<Full<Bytes>>> {
    let line = format!("{} {} ", request.method(), request.uri());
    let authorization = request.headers().get("authorization");
    let authorization = authorization
        .map_or("", |value| value.to_str().unwrap())
        .to_owned();
    let body = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let asked = Asked {
        line: line.clone(),
        authorization,
        body: body.unwrap_or_default(),
    };
    heard.lock().unwrap().push(asked);
    let mut taught = taught.lock().unwrap();
    let fits = |(start, ..): &(String, u16, Value)| line.starts_with(start.as_str());
    let Some(index) = taught.iter().position(fits) else {
        let error = json!({"errors": [{"code": 10000, "title": "CF-NotFound",
            "detail": format!("Unknown request {line}")}]});
        let body = Full::new(error.to_string().into());
        return Ok(Response::builder().status(404).body(body).unwrap());
    };
    let start = taught[index].0.clone();
    let again = taught.iter().filter(|(other, ..)| *other == start).count() > 1;
    let (_, status, mut body) = if again {
        taught.remove(index)
    } else {
        taught[index].clone()
    };
    if status == 0 {
        return Err(io::Error::other("the connection breaks here"));
    }
    let mut response = Response::builder().status(status);
    // A body of this shape is how a test teaches a job's address.
    if let Some(location) = body.get("location").and_then(Value::as_str) {
        response = response.header("location", location);
        body = Value::Null;
    }
    if let Some(warning) = body.get("warning").and_then(Value::as_str) {
        response = response.header("x-cf-warnings", warning);
    }
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    Ok(response.body(Full::new(text.into())).unwrap())
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
