//! Deployments and revisions, by the stock command line and by ours.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use serde_json::json;

use crate::support::{Api, Cf, Daemon, Own, eventually, folder};

/// Tells its version and its colour, and takes its time where it is told to.
const APP: &str = r#"
import http.server, os, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(1)
        text = ("VERSION " + os.environ.get("COLOUR", "plain")).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *values):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

Server(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"#;

fn code(version: &str) -> tempfile::TempDir {
    let app = APP.replace("VERSION", version);
    let procfile = "web: exec python3 app.py\nworker: exec sleep 1000\n";
    folder(&[("app.py", &app), ("Procfile", procfile)])
}

/// Pushes a version in the plain way, as the only one.
fn push(cf: &Cf, name: &str, version: &str) {
    let files = code(version);
    cf.run_in(files.path(), &["push", name, "-m", "48M", "-i", "2"]);
    eventually("both instances", || {
        cf.run(&["app", name]).contains("2/2").then_some(())
    });
}

/// Asks again and again until it is told to stop.
struct Load {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

fn ask(at: &str, host: &str, path: &str) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(at).map_err(told)?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .map_err(told)?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}.localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(told)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(told)?;
    let whole = text.starts_with("HTTP/1.1 200 ") && text.contains("\r\n\r\nv");
    if whole { Ok(()) } else { Err(text) }
}

impl Load {
    fn on(daemon: &Daemon, host: &str) -> Self {
        let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let threads = ["/", "/", "/slow"].map(|path| {
            let (at, host) = (daemon.http(), host.to_owned());
            let (over, answered) = (Arc::clone(&over), Arc::<AtomicUsize>::clone(&answered));
            std::thread::spawn(move || {
                let mut wrong = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    match ask(&at, &host, path) {
                        Ok(()) => {
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => wrong.push(error),
                    }
                }
                wrong
            })
        });
        Self {
            over,
            answered,
            threads: threads.into(),
        }
    }

    /// Ends it; not one request may have failed.
    fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let wrong = thread.join().unwrap();
            let first = wrong.first();
            assert!(first.is_none(), "{} failed: {first:?}", wrong.len());
        }
        assert!(self.answered.load(Ordering::Relaxed) > 20);
    }
}

#[test]
fn a_rolling_push_drops_no_request() {
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    push(&cf, "roll", "v1");
    cf.run(&["scale", "roll", "--process", "worker", "-i", "1"]);
    let load = Load::on(&daemon, "roll");
    let files = code("v2");
    let pushed = cf.run_in(files.path(), &["push", "roll", "--strategy", "rolling"]);
    assert!(
        pushed.contains("Deployment") || pushed.contains("deployment"),
        "{pushed}"
    );
    assert_eq!(daemon.get_ok("roll"), "v2 plain");
    // A restart in the same way sees a new variable; the one before did not.
    cf.run(&["set-env", "roll", "COLOUR", "blue"]);
    assert_eq!(daemon.get_ok("roll"), "v2 plain");
    cf.run(&[
        "restart",
        "roll",
        "--strategy",
        "rolling",
        "--max-in-flight",
        "2",
    ]);
    assert_eq!(daemon.get_ok("roll"), "v2 blue");

    // What it was, version for version, and back.
    let revisions = cf.run(&["revisions", "roll"]);
    for part in [
        "Initial revision.",
        "New droplet deployed.",
        "New environment variables",
    ] {
        assert!(revisions.contains(part), "no {part:?} in {revisions}");
    }
    let one = cf.run(&["revision", "roll", "--version", "3"]);
    assert!(one.contains("blue"), "{one}");
    cf.run(&["rollback", "roll", "--version", "1", "-f"]);
    assert_eq!(daemon.get_ok("roll"), "v1 plain");
    assert!(
        cf.run(&["revisions", "roll"])
            .contains("Rolled back to revision 1.")
    );
    load.end();
    let app = cf.run(&["app", "roll"]);
    assert_eq!(app.matches("type:           web").count(), 1, "{app}");
    assert!(app.contains("2/2"), "{app}");
    let again = cf.fail(&["rollback", "roll", "--version", "4", "-f"]);
    assert!(
        again.contains("is the same as the deployed revision"),
        "{again}"
    );
    cf.run(&["delete", "roll", "-f", "-r"]);
}

#[test]
fn a_canary_waits_and_goes_on_or_back() {
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    push(&cf, "bird", "v1");
    let load = Load::on(&daemon, "bird");
    let files = code("v2");
    let canary = ["push", "bird", "--strategy", "canary"];
    cf.run_in(files.path(), &canary);
    let paused = cf.run(&["app", "bird"]);
    assert!(
        paused.contains("PAUSED") || paused.contains("paused"),
        "{paused}"
    );
    // Meanwhile both are there, and nothing may be changed by half.
    eventually("both versions", || {
        daemon.get_ok("bird").contains("v2").then_some(())
    });
    eventually("both versions", || {
        daemon.get_ok("bird").contains("v1").then_some(())
    });
    let refused = cf.fail(&["scale", "bird", "-i", "3"]);
    assert!(
        refused.contains("while a deployment is in flight"),
        "{refused}"
    );
    let refused = cf.fail(&["stop", "bird"]);
    assert!(refused.contains("cancel the deployment"), "{refused}");
    cf.run(&["cancel-deployment", "bird"]);
    let api = Api::login(&daemon);
    let list = format!(
        "/v3/deployments?app_guids={}&order_by=-created_at",
        cf.guid("bird")
    );
    let status = || {
        let newest = &api.get(&list).expect(200)["resources"][0];
        newest["status"]["reason"].as_str().unwrap().to_owned()
    };
    eventually("the way back", || (status() == "CANCELED").then_some(()));
    assert_eq!(daemon.get_ok("bird"), "v1 plain");
    cf.run_in(files.path(), &canary);
    cf.run(&["continue-deployment", "bird"]);
    eventually("the end", || (status() == "DEPLOYED").then_some(()));
    assert_eq!(daemon.get_ok("bird"), "v2 plain");
    load.end();
    let refused = cf.fail(&["continue-deployment", "bird"]);
    assert!(refused.contains("No active deployment"), "{refused}");
    let events = cf.run(&["events", "bird"]);
    for part in [
        "deployment.create",
        "deployment.cancel",
        "deployment.continue",
    ] {
        assert!(events.contains(part), "no {part:?} in {events}");
    }
    cf.run(&["delete", "bird", "-f", "-r"]);
}

#[test]
fn a_deployment_that_cannot_start_leaves_the_app_alone_and_gives_way_to_the_next() {
    let mut daemon = Daemon::start();
    let cf = Cf::login(&daemon);
    push(&cf, "sick", "v1");
    let (app, api) = (cf.guid("sick"), Api::login(&daemon));
    let files = folder(&[("Procfile", "web: exit 1\n"), ("app.py", "")]);
    let path = files.path().to_str().unwrap();
    cf.run(&["create-package", "sick", "-p", path]);
    let package = api
        .get(&format!(
            "/v3/packages?app_guids={app}&order_by=-created_at"
        ))
        .expect(200)["resources"][0]["guid"]
        .clone();
    let build = json!({ "package": { "guid": package } });
    let build = api.send("POST", "/v3/builds", &build).guid();
    let droplet = eventually("the build", || {
        let build = api.get(&format!("/v3/builds/{build}")).expect(200);
        build["droplet"]["guid"].as_str().map(str::to_owned)
    });
    let deploy = |droplet: Option<&str>| {
        let mut body = json!({ "relationships": { "app": { "data": { "guid": app } } } });
        if let Some(droplet) = droplet {
            body["droplet"] = json!({ "guid": droplet });
        }
        body
    };
    let good = api
        .get(&format!("/v3/apps/{app}/droplets/current"))
        .expect(200)["guid"]
        .clone();
    let load = Load::on(&daemon, "sick");
    let bad = api
        .send("POST", "/v3/deployments", &deploy(Some(&droplet)))
        .guid();
    eventually("its instance to crash", || {
        cf.run(&["events", "sick"])
            .contains("app.crash")
            .then_some(())
    });
    let told = eventually("the deployment to say so", || {
        let shown = api.get(&format!("/v3/deployments/{bad}")).expect(200);
        let error = shown["status"]["details"]["error"].as_str();
        error.map(str::to_owned)
    });
    assert!(
        told.starts_with("Instance 0 of the new version crashed"),
        "{told}"
    );
    assert_eq!(daemon.get_ok("sick"), "v1 plain");
    let next = deploy(good.as_str());
    let next = api.send("POST", "/v3/deployments", &next).guid();
    let status =
        |guid: &str| api.get(&format!("/v3/deployments/{guid}")).expect(200)["status"].clone();
    assert_eq!(status(&bad)["reason"], "SUPERSEDED");
    eventually("the next one", || {
        (status(&next)["reason"] == "DEPLOYED").then_some(())
    });
    load.end();
    assert_eq!(daemon.get_ok("sick"), "v1 plain");
    for (body, words) in [
        (
            json!({ "strategy": "bold" }),
            "not a supported deployment strategy",
        ),
        (
            json!({ "droplet": { "guid": "x" } }),
            "Ensure the droplet exists",
        ),
        (
            json!({ "options": { "max_in_flight": 0 } }),
            "greater than 0",
        ),
        (
            json!({ "revision": { "guid": "x" } }),
            "The revision does not exist",
        ),
    ] {
        let mut whole = deploy(None);
        whole
            .as_object_mut()
            .unwrap()
            .extend(body.as_object().unwrap().clone());
        let refusal = api.send("POST", "/v3/deployments", &whole).refusal(422);
        assert!(refusal.contains(words), "no {words:?} in {refusal}");
    }

    // A daemon that dies leaves the deployment to the next one.
    let last = api.send("POST", "/v3/deployments", &deploy(None)).guid();
    daemon.kill();
    daemon.spawn();
    let api = Api::login(&daemon);
    eventually("the next daemon to lead it on", || {
        let found = api.get(&format!("/v3/deployments/{last}")).expect(200);
        (found["status"]["reason"] == "DEPLOYED").then_some(())
    });
    assert_eq!(daemon.get_ok("sick"), "v1 plain");
}

#[test]
fn our_own_command_line_deploys_and_goes_back() {
    let daemon = Daemon::shared();
    let (cf, own) = (Cf::login(&daemon), Own::login(&daemon));
    push(&cf, "mine", "v1");
    let files = code("v2");
    let here = Path::new("/");
    own.json(files.path(), &["push", "mine", "--strategy", "rolling"]);
    assert_eq!(daemon.get_ok("mine"), "v2 plain");
    let revisions = own.json(here, &["revisions", "mine"]);
    assert_eq!(revisions.as_array().unwrap().len(), 2, "{revisions}");
    own.json(here, &["rollback", "mine", "1"]);
    assert_eq!(daemon.get_ok("mine"), "v1 plain");
    own.json(here, &["restart", "mine", "--strategy", "canary"]);
    own.json(here, &["deployment", "cancel", "mine"]);
    own.fail(here, &["deployment", "continue", "mine"], 4);
    own.fail(here, &["rollback", "mine", "77"], 4);
    cf.run(&["delete", "mine", "-f", "-r"]);
}
