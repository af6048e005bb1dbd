//! Logs and metrics as they come: log-cache's gauges and timers, the streaming log gateway,
//! Doppler's WebSockets, and syslog drains, with clients and receivers of the test's own.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest as _};

use crate::support::{Broker, Canned, Cf, Daemon, PASSWORD, USER, eventually, example};

struct Story {
    daemon: Daemon,
    cf: Cf,
    guid: String,
}

impl Story {
    fn begin() -> Self {
        let daemon = Daemon::start();
        let cf = Cf::login(&daemon);
        cf.run_in(&example("procfile"), &["push", "procfile", "-m", "64M"]);
        daemon.get_ok("procfile");
        let guid = cf.guid("procfile");
        Self { daemon, cf, guid }
    }

    fn token(&self) -> String {
        self.cf.run(&["oauth-token"]).trim().to_owned()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.daemon.https())
    }

    fn curl(&self, path: &str) -> Command {
        let mut command = Command::new("curl");
        command
            .args(["-sk", "-N", "--max-time", "60", "-H"])
            .arg(format!("Authorization: {}", self.token()))
            .arg(self.url(path));
        command
    }

    /// Envelopes of a kind from log-cache.
    fn envelopes(&self, kind: &str) -> Vec<Value> {
        let path = format!(
            "/api/v1/read/{}?envelope_types={kind}&limit=1000",
            self.guid
        );
        let output = self.curl(&path).output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["envelopes"]["batch"].as_array().unwrap().clone()
    }
}

#[test]
fn log_cache_has_gauges_and_timers() {
    let story = Story::begin();
    let gauge = eventually("a gauge", || story.envelopes("GAUGE").pop());
    assert_eq!(gauge["source_id"], story.guid.as_str());
    assert_eq!(gauge["instance_id"], "0");
    let metrics = &gauge["gauge"]["metrics"];
    assert_eq!(metrics["memory_quota"]["value"], 67_108_864.0);
    assert_eq!(metrics["cpu"]["unit"], "percentage");
    for name in [
        "cpu_entitlement",
        "memory",
        "disk",
        "disk_quota",
        "log_rate",
        "log_rate_limit",
    ] {
        assert!(metrics[name]["value"].is_number(), "no {name} in {metrics}");
    }
    let tags = &gauge["tags"];
    assert_eq!(tags["process_type"], "web");
    assert_eq!(tags["app_name"], "procfile");
    assert_eq!(tags["organization_name"], "dev");

    story.daemon.get("procfile", "/timed?x=1");
    let timer = eventually("a timer", || {
        let all = story.envelopes("TIMER");
        all.into_iter().find(|timer| {
            timer["tags"]["uri"]
                .as_str()
                .unwrap()
                .contains("/timed?x=1")
        })
    });
    let at = |key: &str| {
        timer["timer"][key]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!(timer["timer"]["name"], "http");
    assert!(at("stop") > at("start"));
    assert_eq!(timer["tags"]["status_code"], "200");
    assert_eq!(timer["tags"]["peer_type"], "Client");
    let logs = story.envelopes("LOG");
    assert!(logs.iter().all(|log| log.get("log").is_some()) && !logs.is_empty());
    let memory = "/api/v1/read/GUID?name_filter=%5Ememory%24".replace("GUID", &story.guid);
    let output = story.curl(&memory).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("memory_quota") && !text.contains("payload"),
        "{text}"
    );

    who_reads_the_stream_gets_what_it_asked_for(&story);
    dopplers_streams_are_read(&story);
    the_stream_is_for_those_who_may(&story);
}

/// Reads lines of a process until one has all of `texts`.
fn reads(child: &mut Child, texts: &[&str], mut meanwhile: impl FnMut()) -> String {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = String::new();
    for line in lines {
        let line = line.unwrap();
        if texts.iter().all(|text| line.contains(text)) {
            return line;
        }
        seen.push_str(&line);
        seen.push('\n');
        meanwhile();
    }
    panic!("the stream ended without {texts:?}:\n{seen}");
}

fn who_reads_the_stream_gets_what_it_asked_for(story: &Story) {
    let path = format!("/v2/read?log&timer&source_id={}&shard_id=one", story.guid);
    let mut curl = story.curl(&path).stdout(Stdio::piped()).spawn().unwrap();
    // Something comes again and again, since it is not told when the stream has begun.
    let daemon = &story.daemon;
    let host = daemon.http();
    let stop = Arc::new(Mutex::new(false));
    let asked = Arc::clone(&stop);
    let asking = thread::spawn(move || {
        while !*asked.lock().unwrap() {
            let _ = Command::new("curl")
                .args(["-s", "-H", "Host: procfile.localhost"])
                .arg(format!("http://{host}/streamed"))
                .output();
        }
    });
    let line = reads(
        &mut curl,
        &["data: {\"batch\":[", "/streamed", "\"timer\""],
        || {},
    );
    *stop.lock().unwrap() = true;
    asking.join().unwrap();
    let batch: Value = serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap();
    let first = &batch["batch"][0];
    assert_eq!(first["source_id"], story.guid.as_str());
    assert!(first["timestamp"].is_string());
    curl.kill().unwrap();
    curl.wait().unwrap();
    for (query, error) in [
        ("", "empty_query"),
        ("?source_id=x", "missing_envelope_type"),
    ] {
        let output = story.curl(&format!("/v2/read{query}")).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(error), "{text}");
    }
}

fn dopplers_streams_are_read(story: &Story) {
    let guid = &story.guid;
    let output = story
        .curl(&format!("/apps/{guid}/recentlogs"))
        .output()
        .unwrap();
    let recent = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "procfile example: ready",
        "APP/PROC/WEB",
        "rep",
        "--8f2a41c6b0d94e7795a3--",
    ] {
        assert!(recent.contains(part), "no {part:?} in {recent}");
    }
    let output = story
        .curl(&format!("/apps/{guid}/containermetrics"))
        .output()
        .unwrap();
    let metrics = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(metrics.contains(guid.as_str()), "{metrics}");

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for path in [
        format!("/apps/{guid}/stream"),
        "/firehose/nozzle".to_owned(),
    ] {
        let heard = runtime.block_on(heard(story, &path));
        assert!(heard.unwrap().contains("/socket"), "{path}");
    }
    for (path, token) in [
        (format!("/apps/{guid}/stream"), "bearer a.b.c"),
        ("/apps/no-app/stream".to_owned(), story.token().as_str()),
    ] {
        let refused = runtime.block_on(connect(story, &path, token)).unwrap_err();
        let tungstenite::Error::Http(answer) = refused else {
            panic!("{refused}");
        };
        assert!([401, 404].contains(&answer.status().as_u16()));
    }
}

type Socket = tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>;

/// A WebSocket over plain HTTP.
async fn connect(story: &Story, path: &str, token: &str) -> Result<Socket, tungstenite::Error> {
    let url = format!("ws://{}{path}", story.daemon.http());
    let mut request = url.into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("authorization", token.parse().unwrap());
    headers.insert("host", "doppler.localhost".parse().unwrap());
    let stream = tokio::net::TcpStream::connect(story.daemon.http()).await?;
    let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
    Ok(socket)
}

/// What comes on a WebSocket until it tells of a request that is made meanwhile.
async fn heard(story: &Story, path: &str) -> Result<String, tungstenite::Error> {
    let mut socket = connect(story, path, &story.token()).await?;
    story.daemon.get("procfile", "/socket");
    let mut seen = String::new();
    while let Some(frame) = socket.next().await {
        if let tungstenite::Message::Binary(bytes) = frame? {
            seen.push_str(&String::from_utf8_lossy(&bytes));
            if seen.contains("/socket") {
                break;
            }
        }
    }
    Ok(seen)
}

fn the_stream_is_for_those_who_may(story: &Story) {
    let cf = &story.cf;
    cf.run(&["create-user", "kim", "a-long-password"]);
    let kim = Cf::new();
    kim.run(&["api", &story.daemon.https(), "--skip-ssl-validation"]);
    kim.run(&["auth", "kim", "a-long-password"]);
    let token = kim.run(&["oauth-token"]);
    let status = |path: &str| {
        let output = Command::new("curl")
            .args([
                "-sk",
                "--max-time",
                "10",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "-H",
            ])
            .arg(format!("Authorization: {}", token.trim()))
            .arg(story.url(path))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let guid = &story.guid;
    assert_eq!(status(&format!("/v2/read?log&source_id={guid}")), "404");
    assert_eq!(status("/v2/read?log"), "404");
    assert_eq!(status(&format!("/apps/{guid}/recentlogs")), "404");
    assert_eq!(status(&format!("/apps/{guid}/containermetrics")), "404");
    assert_eq!(status("/firehose/x"), "401");
}

/// How messages come.
#[derive(Clone)]
enum Carrier {
    Tcp,
    Tls(Arc<rustls::ServerConfig>),
    Https(Arc<rustls::ServerConfig>),
}

/// A receiver of syslog messages, which takes them out of their frames or requests.
struct Receiver {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    /// Connections that are open.
    open: Arc<AtomicUsize>,
}

impl Receiver {
    fn start(carrier: Carrier) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            seen: Arc::default(),
            open: Arc::default(),
        };
        let (seen, open) = (Arc::clone(&receiver.seen), Arc::clone(&receiver.open));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (seen, open, carrier) = (Arc::clone(&seen), Arc::clone(&open), carrier.clone());
                open.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    let secured = |config, stream| {
                        let connection = rustls::ServerConnection::new(config).unwrap();
                        rustls::StreamOwned::new(connection, stream)
                    };
                    match carrier {
                        Carrier::Tcp => take(&mut stream, &seen),
                        Carrier::Tls(config) => take(&mut secured(config, stream), &seen),
                        Carrier::Https(config) => answer(&mut secured(config, stream), &seen),
                    }
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        receiver
    }

    fn has(&self, text: &str) -> bool {
        let seen = self.seen.lock().unwrap();
        seen.iter().any(|message| message.contains(text))
    }

    /// The first message with this text, of what is said again and again: a drain begins a
    /// moment after its binding.
    fn message(&self, text: &str, mut say: impl FnMut()) -> String {
        eventually(&format!("a message with {text:?}"), || {
            say();
            let seen = self.seen.lock().unwrap();
            seen.iter().find(|message| message.contains(text)).cloned()
        })
    }
}

/// Reads frames: a length, a space, and as many bytes.
fn take(stream: &mut impl std::io::Read, to: &Mutex<Vec<String>>) {
    loop {
        let mut length = String::new();
        loop {
            let mut byte = [0];
            if stream.read(&mut byte).unwrap_or(0) == 0 {
                return;
            }
            if byte == *b" " {
                break;
            }
            length.push(char::from(byte[0]));
        }
        let mut message = vec![0; length.parse().unwrap()];
        if stream.read_exact(&mut message).is_err() {
            return;
        }
        to.lock().unwrap().push(String::from_utf8(message).unwrap());
    }
}

/// Reads requests, each with a length, and answers them.
fn answer(stream: &mut (impl std::io::Read + std::io::Write), to: &Mutex<Vec<String>>) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).unwrap_or(0) == 0 {
                return;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let (_, length) = head.split_once("content-length: ").unwrap();
        let length = length.split_once('\r').unwrap().0;
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).unwrap();
        let body = String::from_utf8(body).unwrap();
        to.lock().unwrap().push(format!("{head}{body}"));
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        if stream
            .write_all(answer)
            .and_then(|()| stream.flush())
            .is_err()
        {
            return;
        }
    }
}

#[test]
fn drains_get_what_bound_apps_say_and_use() {
    let story = Story::begin();
    let Story { daemon, cf, guid } = &story;
    // One that takes connections and reads nothing, and one where nobody is: they hold up nobody.
    let stuck = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    for (name, listener) in [("stuck", &stuck), ("closed", &free)] {
        let url = format!("syslog://{}?drain-data=all", listener.local_addr().unwrap());
        cf.run(&["cups", name, "-l", &url]);
        cf.run(&["bind-service", "procfile", name]);
    }
    drop(free);
    let plain = Receiver::start(Carrier::Tcp);
    let url = format!("syslog://127.0.0.1:{}", plain.port);
    cf.run(&["create-user-provided-service", "drain", "-l", &url]);
    cf.run(&["bind-service", "procfile", "drain"]);
    let message = plain.message("procfile example: GET /drained", || {
        daemon.get("procfile", "/drained");
    });
    assert!(message.starts_with("<14>1 "), "{message}");
    for part in [
        &format!(" dev.dev.procfile {guid} [APP/PROC/WEB/0] - [tags@47450 "),
        "process_type=\"web\"",
        "organization_name=\"dev\"",
    ] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    assert!(message.ends_with('\n'));
    plain.message("[RTR/0]", || {});

    // Over TLS with an authority of its own, and metrics alone.
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(
        vec![key.cert.der().clone()],
        rustls::pki_types::PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()).into(),
    )
    .unwrap();
    let config = Arc::new(config);
    let secured = Receiver::start(Carrier::Tls(Arc::clone(&config)));
    let url = format!("syslog-tls://127.0.0.1:{}?drain-data=metrics", secured.port);
    let dir = tempfile::tempdir().unwrap();
    let credentials = dir.path().join("credentials.json");
    fs::write(
        &credentials,
        serde_json::json!({ "ca": key.cert.pem() }).to_string(),
    )
    .unwrap();
    let credentials = credentials.to_str().unwrap();
    cf.run(&["cups", "metrics", "-l", &url, "-p", credentials]);
    cf.run(&["bind-service", "procfile", "metrics"]);
    let gauge = secured.message(
        "[gauge@47450 name=\"memory_quota\" value=\"67108864\" unit=\"bytes\"]",
        || {},
    );
    assert!(gauge.contains(" [0] - [gauge@47450 "), "{gauge}");
    assert!(!secured.has("[APP/"));

    // In requests, with a name and a password.
    let web = Receiver::start(Carrier::Https(config));
    let url = format!("https-batch://me:secret@127.0.0.1:{}/in?key=k", web.port);
    cf.run(&["cups", "web", "-l", &url, "-p", credentials]);
    cf.run(&["bind-service", "procfile", "web"]);
    let request = web.message("procfile example: GET /posted", || {
        daemon.get("procfile", "/posted");
    });
    for part in [
        "post /in?key=k http/1.1",
        "authorization: basic bwu6c2vjcmv0",
        "<14>1 ",
    ] {
        assert!(request.contains(part), "no {part:?} in {request}");
    }

    // After it is unbound nothing more comes.
    cf.run(&["unbind-service", "procfile", "drain"]);
    eventually("the drain to leave", || {
        (plain.open.load(Ordering::SeqCst) == 0).then_some(())
    });
    daemon.get("procfile", "/after");
    let logs = eventually("the request to be in the log", || {
        let logs = cf.run(&["logs", "procfile", "--recent"]);
        logs.contains("GET /after").then_some(logs)
    });
    assert!(!plain.has("GET /after"));
    assert!(
        logs.contains("[LGR/0]") && logs.contains("Backing off for"),
        "{logs}"
    );
    assert!(
        !logs.contains("secret") && !logs.contains("key=k"),
        "{logs}"
    );
    drop(stuck);

    a_brokers_drain_gets_them_too(&story, &plain);
    a_developers_drain_stays_outside(&story, plain.port);
}

/// What a broker answers a binding with can name a drain.
fn a_brokers_drain_gets_them_too(story: &Story, receiver: &Receiver) {
    let Story { daemon, cf, .. } = story;
    let broker = Broker::start("log-store");
    broker.change(|rules| {
        rules.catalog["services"][0]["requires"] = serde_json::json!(["syslog_drain"]);
    });
    let url = format!("syslog://127.0.0.1:{}", receiver.port);
    let bound = Canned {
        status: 201,
        body: serde_json::json!({ "credentials": {}, "syslog_drain_url": url }).to_string(),
        ..Canned::default()
    };
    broker.answer("PUT", "/service_bindings/", bound);
    cf.run(&[
        "create-service-broker",
        "logs",
        USER,
        PASSWORD,
        &broker.url(),
    ]);
    cf.run(&["enable-service-access", "log-store"]);
    cf.run(&["create-service", "log-store", "small", "log-store"]);
    cf.run(&["bind-service", "procfile", "log-store"]);
    receiver.message("procfile example: GET /stored", || {
        daemon.get("procfile", "/stored");
    });
    cf.run(&["unbind-service", "procfile", "log-store"]);
    eventually("the broker's drain to leave", || {
        (receiver.open.load(Ordering::SeqCst) == 0).then_some(())
    });
    cf.run(&["delete-service", "log-store", "-f"]);
    cf.run(&["delete-service-broker", "logs", "-f"]);
}

/// Whoever is no admin cannot have the platform connect to its own machine.
fn a_developers_drain_stays_outside(story: &Story, port: u16) {
    let cf = &story.cf;
    cf.run(&["create-user", "kim", "a-long-password"]);
    cf.run(&["set-space-role", "kim", "dev", "dev", "SpaceDeveloper"]);
    let kim = Cf::new();
    kim.run(&["api", &story.daemon.https(), "--skip-ssl-validation"]);
    kim.run(&["auth", "kim", "a-long-password"]);
    kim.run(&["target", "-o", "dev", "-s", "dev"]);
    let url = format!("syslog://localhost:{port}");
    kim.run(&["cups", "sneaky", "-l", &url]);
    kim.run(&["bind-service", "procfile", "sneaky"]);
    eventually("the refusal to be told", || {
        let logs = cf.run(&["logs", "procfile", "--recent"]);
        let told = logs.contains("[LGR/0]") && logs.contains("which is not on the internet");
        told.then_some(())
    });
}
