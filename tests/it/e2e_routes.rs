//! Where the requests for a route go, as the stock `cf` says: through route services, to other
//! spaces' apps, to TCP ports.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    process::Command,
};

use crate::support::{Broker, Canned, Cf, Daemon, PASSWORD, Setup, USER, eventually, folder};

/// Tells of the request that it got.
const ECHO: &str = r#"
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = os.environ["WHO"] + " got " + self.path + "\n"
        for name, value in self.headers.items():
            text += name.lower() + ": " + value + "\n"
        body = text.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"#;

fn push(cf: &Cf, name: &str) {
    let procfile = format!("web: WHO={name} python3 app.py\n");
    let files = folder(&[("app.py", ECHO), ("Procfile", &procfile)]);
    cf.run_in(files.path(), &["push", name, "-m", "64M"]);
}

#[test]
fn requests_pass_a_route_service_before_they_come_to_the_app() {
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    for app in ["rs-shop", "rs-filter"] {
        push(&cf, app);
    }
    assert!(daemon.get_ok("rs-shop").starts_with("rs-shop got /"));
    let url = "https://rs-filter.localhost/check";
    cf.run(&["cups", "rs-gate", "-r", url]);
    let bind = ["localhost", "rs-gate", "--hostname", "rs-shop"];
    cf.run(&[&["bind-route-service"], bind.as_slice()].concat());
    assert!(cf.run(&["routes"]).contains("rs-gate"));
    let first = eventually("the service to be asked", || {
        let answer = daemon.get("rs-shop", "/cart").1;
        answer
            .starts_with("rs-filter got /check\n")
            .then_some(answer)
    });
    let header = |name: &str| {
        let mut lines = first.lines();
        let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found
            .unwrap_or_else(|| panic!("no {name} in {first}"))
            .to_owned()
    };
    assert_eq!(
        header("x-cf-forwarded-url"),
        "http://rs-shop.localhost/cart"
    );
    let names = ["x-cf-proxy-signature", "x-cf-proxy-metadata"];
    let [signature, metadata] = names.map(|name| format!("{name}: {}", header(name)));
    let output = Command::new("curl")
        .args(["-s", "--max-time", "20", "-H", "Host: rs-shop.localhost"])
        .args(["-H", &signature, "-H", &metadata])
        .arg(format!("http://{}/cart", daemon.http()))
        .output()
        .unwrap();
    let second = String::from_utf8_lossy(&output.stdout);
    assert!(second.starts_with("rs-shop got /cart\n"), "{second}");
    assert!(!second.contains("x-cf-proxy"), "{second}");

    // Its address follows what the instance says, and a tenant's may be none of the host's.
    cf.run(&["uups", "rs-gate", "-r", "https://rs-filter.localhost/other"]);
    eventually("the other address to be asked", || {
        let answer = daemon.get("rs-shop", "/").1;
        answer.starts_with("rs-filter got /other\n").then_some(())
    });
    cf.run(&[&["unbind-route-service", "-f"], bind.as_slice()].concat());
    eventually("the app to be asked", || {
        let answer = daemon.get("rs-shop", "/").1;
        answer.starts_with("rs-shop got /\n").then_some(())
    });
    for app in ["rs-shop", "rs-filter"] {
        cf.run(&["delete", app, "-f", "-r"]);
    }
    cf.run(&["delete-service", "rs-gate", "-f"]);
}

#[test]
fn a_brokers_route_service_is_asked_and_told_when_the_domain_goes() {
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    for app in ["br-shop", "br-filter"] {
        push(&cf, app);
    }
    let broker = Broker::start("br-gate");
    broker.change(|rules| {
        rules.catalog["services"][0]["requires"] = serde_json::json!(["route_forwarding"]);
    });
    let url = r#"{"route_service_url": "https://br-filter.localhost/check"}"#;
    let bound = Canned {
        status: 201,
        body: url.to_owned(),
        ..Canned::default()
    };
    broker.answer("PUT", "/service_bindings/", bound);
    cf.run(&["create-service-broker", "br", USER, PASSWORD, &broker.url()]);
    cf.run(&["enable-service-access", "br-gate"]);
    cf.run(&["create-service", "br-gate", "small", "br-gate"]);
    let domain = "br-own.localhost";
    cf.run(&["create-shared-domain", domain]);
    cf.run(&["map-route", "br-shop", domain, "--hostname", "shop"]);
    assert!(daemon.get_ok("shop.br-own").starts_with("br-shop got /"));
    cf.run(&[
        "bind-route-service",
        domain,
        "br-gate",
        "--hostname",
        "shop",
    ]);
    eventually("the broker's service to be asked", || {
        let answer = daemon.get("shop.br-own", "/cart").1;
        answer.starts_with("br-filter got /check\n").then_some(())
    });
    assert!(broker.seen("DELETE", "/service_bindings/").is_empty());
    cf.run(&["delete-shared-domain", domain, "-f"]);
    assert_eq!(broker.seen("DELETE", "/service_bindings/").len(), 1);
    assert!(!cf.run(&["domains"]).contains(domain));
    for app in ["br-shop", "br-filter"] {
        cf.run(&["delete", app, "-f", "-r"]);
    }
    cf.run(&["delete-service", "br-gate", "-f"]);
    cf.run(&["delete-service-broker", "br", "-f"]);
}

#[test]
fn a_route_is_shared_moved_and_told_how_to_choose() {
    let daemon = Daemon::with(Setup::default());
    let cf = Cf::login(&daemon);
    cf.run(&["enable-feature-flag", "route_sharing"]);
    cf.run(&["create-space", "other"]);
    let option = ["-o", "loadbalancing=least-connection"];
    let at = ["localhost", "--hostname", "www"];
    let say = |verb: &str, more: &[&str]| cf.run(&[&[verb], at.as_slice(), more].concat());
    say("create-route", &option);
    assert!(
        cf.run(&["routes"])
            .contains("loadbalancing=least-connection")
    );
    say("update-route", &["-r", "loadbalancing"]);
    assert!(!cf.run(&["routes"]).contains("least-connection"));
    say("update-route", &option);
    let wrong = [
        &["update-route"],
        at.as_slice(),
        &["-o", "loadbalancing=luck"],
    ]
    .concat();
    assert!(
        cf.fail(&wrong)
            .contains("must be one of 'round-robin, least-connection'")
    );
    say("share-route", &["-s", "other"]);

    cf.run(&["target", "-s", "other"]);
    push(&cf, "there");
    let map = [&["map-route", "there"], at.as_slice()].concat();
    cf.run(&map);
    assert!(daemon.get_ok("www").starts_with("there got /"));
    assert!(cf.run(&["routes"]).contains("www"));
    cf.run(&["target", "-s", "dev"]);
    say("move-route", &["-s", "other"]);
    say("route", &[]);
    cf.run(&["target", "-s", "other"]);
    say("unshare-route", &["-s", "dev"]);
    let events = cf.run(&["curl", "/v3/audit_events?types=audit.route.transfer-owner"]);
    assert!(events.contains("target_space_guid"), "{events}");
    assert!(daemon.get_ok("www").starts_with("there got /"));
}

/// Sends back what it gets, line by line, with its name before it.
const LINES: &str = r#"
import os, socketserver

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(os.environ["WHO"].encode() + b" " + line)
        self.wfile.write(b"end\n")

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True

Server(("0.0.0.0", 8080), Handler).serve_forever()
"#;

/// Two ports one after the other that nobody listens on.
fn two_free_ports() -> u16 {
    eventually("two ports to be free", || {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port().checked_add(1)?;
        TcpListener::bind(("127.0.0.1", port)).ok()?;
        Some(port - 1)
    })
}

/// What comes back for one line and the end of this side.
fn exchange(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"hello\n").ok()?;
    stream.shutdown(Shutdown::Write).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer).filter(|answer| !answer.is_empty())
}

#[test]
fn tcp_routes_are_ports_of_the_host() {
    let port = two_free_ports();
    let daemon = Daemon::with(Setup {
        arguments: vec![
            "--set".to_owned(),
            format!("listen.tcp_ports={port}-{}", port + 1),
        ],
        ..Setup::default()
    });
    let cf = Cf::login(&daemon);
    let groups = cf.run(&["router-groups"]);
    assert!(groups.contains("default-tcp"), "{groups}");
    let tcp = "tcp.localhost";
    cf.run(&["create-shared-domain", tcp, "--router-group", "default-tcp"]);
    let domains = cf.run(&["domains"]);
    assert!(
        domains.contains(tcp) && domains.contains("tcp"),
        "{domains}"
    );

    let files = folder(&[
        ("app.py", LINES),
        ("Procfile", "web: WHO=lines python3 app.py\n"),
    ]);
    cf.run_in(files.path(), &["push", "lines", "-m", "64M", "--no-route"]);
    let number = port.to_string();
    cf.run(&["map-route", "lines", tcp, "--port", &number]);
    let answer = eventually("the port to answer", || exchange(port));
    assert_eq!(answer, "lines hello\nend\n");
    let routes = cf.run(&["routes"]);
    assert!(
        routes.contains(&number) && routes.contains("lines"),
        "{routes}"
    );
    let refused = cf.fail(&["create-route", tcp, "--port", "1024"]);
    assert!(
        refused.contains("Port '1024' is not available"),
        "{refused}"
    );
    // The other one, chosen by the platform, is open as soon as it is an app's.
    cf.run(&["map-route", "lines", tcp]);
    let answer = eventually("the other port to answer", || exchange(port + 1));
    assert_eq!(answer, "lines hello\nend\n");
    let app = cf.run(&["app", "lines"]);
    assert!(app.contains(&format!("{tcp}:{port}")), "{app}");

    // It is there after a restart of the app, and closes with the route.
    cf.run(&["restart", "lines"]);
    eventually("the port to answer again", || exchange(port));
    cf.run(&["delete-route", tcp, "--port", &number, "-f"]);
    eventually("the port to be closed", || {
        TcpStream::connect(("127.0.0.1", port))
            .is_err()
            .then_some(())
    });
    cf.run(&[
        "unmap-route",
        "lines",
        tcp,
        "--port",
        &(port + 1).to_string(),
    ]);
    eventually("nobody to answer", || {
        exchange(port + 1).is_none().then_some(())
    });
}
