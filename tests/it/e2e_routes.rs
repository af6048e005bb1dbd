//! Where the requests for a route go, as the stock `cf` says: through route services, to other
//! spaces' apps, to TCP ports.

use std::process::Command;

use crate::support::{Cf, Daemon, Setup, eventually, folder};

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
