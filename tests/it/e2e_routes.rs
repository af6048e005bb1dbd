//! Where the requests for a route go, as the stock `cf` says: through route services, to other
//! spaces' apps, to TCP ports.

use std::process::Command;

use crate::support::{Cf, Daemon, eventually, folder};

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
