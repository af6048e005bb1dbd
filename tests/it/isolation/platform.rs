//! Attacks on the platform and through it, with a daemon, its API and its gateway. What tenants
//! may do to each other's objects is in `api::people` and `e2e_bad_input`.

use std::process::Command;

use serde_json::json;

use crate::support::{Api, Cf, Daemon, eventually, example, folder, is_root};

/// Tells the headers and the environment that it has, and can be told to attack.
const APP: &str = r#"
import http.server, os, socket

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = ""
        if self.path == "/headers":
            text = str(self.headers)
        if self.path.startswith("/connect/"):
            _, _, address, port = self.path.split("/")
            try:
                socket.create_connection((address, int(port)), 3).close()
                text = "connected"
            except OSError as error:
                text = f"refused: {error}"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())
    def log_message(self, *values):
        pass

print("secret of the log", flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// A user of that name without any role.
fn stranger(daemon: &Daemon, api: &Api, name: &str) -> Api {
    let user = json!({ "userName": name, "password": "a long enough one", "origin": "uaa" });
    api.send("POST", "/Users", &user).expect(201);
    Api::login_as(daemon, name, "a long enough one")
}

/// These need no rights of the sandbox's: once is enough.
fn as_root() -> bool {
    is_root()
}

#[test]
fn an_app_cannot_reach_the_platform_that_runs_it() {
    if !as_root() {
        return;
    }
    let daemon = Daemon::shared();
    let (api, cf) = (Api::login(&daemon), Cf::login(&daemon));
    let files = folder(&[("app.py", APP)]);
    cf.run_in(files.path(), &["push", "attacker", "-m", "64M"]);
    let host = "attacker";
    daemon.get_ok(host);
    for at in [daemon.http(), daemon.https().replace("https://", "")] {
        let (_, port) = at.rsplit_once(':').unwrap();
        for address in ["127.0.0.1", "::1", "0.0.0.0", "127.0.0.2"] {
            let (_, told) = daemon.get(host, &format!("/connect/{address}/{port}"));
            assert!(told.starts_with("refused"), "{address}:{port}: {told}");
        }
    }
    let (_, told) = daemon.get(host, "/connect/169.254.169.254/80");
    assert!(told.starts_with("refused"), "{told}");

    // Nor does it get what a client says of itself and the gateway alone may say.
    let output = Command::new("curl")
        .args(["-s", "--max-time", "20", "-H", "Host: attacker.localhost"])
        .args(["-H", "X-Forwarded-Client-Cert: MIIBforged"])
        .args(["-H", "X-CF-ApplicationID: forged"])
        .arg(format!("http://{}/headers", daemon.http()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
    assert!(text.contains("x-forwarded-for"), "{text}");
    assert!(!text.contains("forged"), "{text}");

    // A stranger reads neither its log nor its variables.
    let app = cf.guid("attacker");
    eventually("the log", || {
        let logs = cf.run(&["logs", "attacker", "--recent"]);
        logs.contains("secret of the log").then_some(())
    });
    let eve = stranger(&daemon, &api, "eve-reads");
    for path in [
        format!("/v3/apps/{app}"),
        format!("/v3/apps/{app}/env"),
        format!("/v3/apps/{app}/environment_variables"),
        format!("/v3/apps/{app}/droplets/current"),
        format!("/v3/apps/{app}/processes/web/stats"),
    ] {
        let answer = eve.get(&path);
        assert!(matches!(answer.status, 403 | 404), "{path}: {answer:?}");
    }
    let output = Command::new("curl")
        .args(["-sk", "-o", "-", "-H"])
        .arg(format!("Authorization: bearer {}", eve.token))
        .args(["-H", "Host: log-cache.localhost"])
        .arg(format!("{}/api/v1/read/{app}", daemon.https()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("batch") && !text.is_empty(), "{text}");
    cf.run(&["delete", "attacker", "-f", "-r"]);
}

#[test]
fn a_host_of_another_space_cannot_be_taken() {
    if !as_root() {
        return;
    }
    let daemon = Daemon::shared();
    let (api, cf) = (Api::login(&daemon), Cf::login(&daemon));
    let files = folder(&[("Staticfile", ""), ("index.html", "the victim's")]);
    cf.run_in(files.path(), &["push", "victim", "-m", "32M"]);
    let domains = api.get("/v3/domains?names=localhost").expect(200);
    let domain = domains["resources"][0]["guid"].clone();
    let name = json!({ "name": "squatters" });
    let org = api.send("POST", "/v3/organizations", &name).guid();
    let place = json!({ "name": "squat", "relationships": { "organization": { "data": { "guid": org } } } });
    let space = api.send("POST", "/v3/spaces", &place).guid();
    for (host, path) in [
        ("victim", ""),
        ("victim", "/admin"),
        ("api", ""),
        ("login", ""),
        ("uaa", ""),
        ("log-cache", ""),
        ("portal", ""),
    ] {
        let mut route = json!({ "host": host, "relationships": { "domain": { "data": { "guid": domain } }, "space": { "data": { "guid": space } } } });
        if !path.is_empty() {
            route["path"] = path.into();
        }
        let answer = api.send("POST", "/v3/routes", &route);
        assert_eq!(answer.status, 422, "{host}{path}: {}", answer.body);
    }
    assert_eq!(daemon.get_ok("victim"), "the victim's");
    api.delete(&format!("/v3/organizations/{org}"));
    cf.run(&["delete", "victim", "-f", "-r"]);
}

#[test]
fn whoever_guesses_a_password_locks_its_owner_not_out() {
    if !as_root() {
        return;
    }
    let daemon = Daemon::start();
    let guess = |from: &str, password: &str| {
        let output = Command::new("curl")
            .args(["-sk", "--max-time", "60", "--interface", from, "-u", "cf:"])
            .args(["-d", "grant_type=password", "-d", "username=admin"])
            .args(["--data-urlencode", &format!("password={password}")])
            .args(["-o", "/dev/null", "-w", "%{http_code}"])
            .arg(format!("{}/oauth/token", daemon.https()))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let password = daemon.admin_password();
    for _ in 0..6 {
        assert_eq!(guess("127.0.0.2", "wrong"), "401");
    }
    // Locked where it was guessed, although it is right now; open everywhere else.
    assert_eq!(guess("127.0.0.2", &password), "401");
    assert_eq!(guess("127.0.0.1", &password), "200");
}

#[test]
fn a_site_whose_password_would_not_be_asked_for_is_not_published() {
    if !as_root() {
        return;
    }
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    let files = folder(&[
        ("Staticfile", ""),
        ("Staticfile.auth", "ann:$apr1$x$y"),
        ("index.html", "private"),
    ]);
    let mut push = cf.command();
    let output = push
        .args(["push", "private", "-m", "32M"])
        .current_dir(files.path())
        .output()
        .unwrap();
    let told = crate::support::text(&output);
    assert!(!output.status.success(), "{told}");
    assert!(
        told.contains("Staticfile.auth, line 1: the password is not encrypted"),
        "{told}"
    );
    assert_ne!(daemon.get("private", "/").0, 200);
    cf.run(&["delete", "private", "-f", "-r"]);
}

/// With the smaller list of system calls that such a host has.
#[test]
fn a_wasm_component_still_serves() {
    if !as_root() {
        return;
    }
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    cf.run_in(&example("wasm-c"), &["push", "walled", "-m", "128M"]);
    daemon.get_ok("walled");
    cf.run(&["delete", "walled", "-f", "-r"]);
}
