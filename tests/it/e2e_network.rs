//! What an app may reach follows what people say, while it runs: bound services, network policies,
//! and nothing else of the host.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    thread,
};

use crate::support::{Cf, Daemon, Own, Setup, eventually, folder};

/// Answers `/?to=HOST:PORT` with what a connection there came to, and `/?pull=HOST:PORT` with the
/// bytes that came from there within some seconds, and how many seconds that were.
const APP: &str = r#"
import http.server, socket, time, urllib.parse

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        text = "hello"
        if "to" in query:
            host, port = query["to"][0].rsplit(":", 1)
            try:
                with socket.create_connection((host, int(port)), 10) as there:
                    there.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    text = "open " + there.recv(100).decode(errors="replace")
            except OSError as error:
                text = "closed " + repr(error)
        if "pull" in query:
            host, port = query["pull"][0].rsplit(":", 1)
            total, begun = 0, time.monotonic()
            with socket.create_connection((host, int(port)), 20) as there:
                while time.monotonic() - begun < 3:
                    total += len(there.recv(1 << 16))
                text = "%d %f" % (total, time.monotonic() - begun)
        body = text.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"#;

/// Something that answers on the host's loopback; its port. It ends with the test's process.
fn service() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Whoever goes away early fails nobody's test.
            let _ = stream.read(&mut [0; 100]);
            let _ = stream.write_all(b"from the service");
        }
    });
    port
}

#[test]
fn what_an_app_may_reach_changes_while_it_runs() {
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    let files = folder(&[("app.py", APP), ("Procfile", "web: python3 app.py\n")]);
    for app in ["net-shop", "net-orders"] {
        cf.run_in(files.path(), &["push", app, "-m", "64M"]);
    }
    let reach = |to: &str| daemon.get("net-shop", &format!("/?to={to}")).1;
    let until = |to: &str, part: &str| {
        eventually(&format!("{to} to be {part}"), || {
            let answer = reach(to);
            answer.contains(part).then_some(answer)
        });
    };
    let instance = || {
        cf.run(&[
            "curl",
            &format!("/v3/apps/{}/processes/web/stats", cf.guid("net-shop")),
        ])
    };
    let before = instance();
    let started = |stats: &str| {
        let stats: serde_json::Value = serde_json::from_str(stats).unwrap();
        stats["resources"][0]["instance_guid"].to_string()
    };

    // A service on the host: closed, open while it is bound, closed again.
    let port = service();
    let there = format!("host.pastina.internal:{port}");
    assert!(reach(&there).starts_with("closed"));
    let credentials = format!(r#"{{"host": "host.pastina.internal", "port": {port}}}"#);
    cf.run(&["cups", "net-db", "-p", &credentials]);
    assert!(reach(&there).starts_with("closed"));
    cf.run(&["bind-service", "net-shop", "net-db"]);
    until(&there, "from the service");
    let other = daemon.get("net-orders", &format!("/?to={there}")).1;
    assert!(other.starts_with("closed"), "{other}");
    cf.run(&["unbind-service", "net-shop", "net-db"]);
    until(&there, "closed");

    // Another app: unknown, open while a policy says so, unknown again.
    let peer = "net-orders.apps.internal:8080";
    cf.run(&[
        "map-route",
        "net-orders",
        "apps.internal",
        "--hostname",
        "net-orders",
    ]);
    assert!(reach(peer).starts_with("closed"));
    cf.run(&["add-network-policy", "net-shop", "net-orders"]);
    until(peer, "200 OK");
    until("0.net-orders.apps.internal:8080", "200 OK");
    assert!(reach("net-orders.apps.internal:8081").starts_with("closed"));
    let back = daemon
        .get("net-orders", "/?to=net-shop.apps.internal:8080")
        .1;
    assert!(back.starts_with("closed"), "{back}");
    let ends = [
        "net-shop",
        "net-orders",
        "--protocol",
        "tcp",
        "--port",
        "8080",
    ];
    cf.run(&[&["remove-network-policy"], ends.as_slice()].concat());
    until(peer, "closed");

    assert_eq!(started(&before), started(&instance()), "it was restarted");
}

/// Something on the host's loopback that sends without end; its port.
fn source() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Each ends when the app has had enough.
            thread::spawn(move || while stream.write_all(&[b'x'; 4096]).is_ok() {});
        }
    });
    port
}

#[test]
fn an_apps_bandwidth_is_held_and_changes_without_a_restart() {
    const MIB: f64 = 1_048_576.0;
    let files = tempfile::tempdir().unwrap();
    let config = files.path().join("pastina.toml");
    let set = |limit: &str| fs::write(&config, format!("[limits]\nbandwidth = \"{limit}\"\n"));
    set("1M").unwrap();
    let daemon = Daemon::with(Setup {
        arguments: vec!["--config".to_owned(), config.to_str().unwrap().to_owned()],
        ..Setup::default()
    });
    let cf = Cf::login(&daemon);
    let app = folder(&[("app.py", APP), ("Procfile", "web: python3 app.py\n")]);
    let port = source();
    let credentials = format!(r#"{{"host": "host.pastina.internal", "port": {port}}}"#);
    cf.run(&["cups", "source", "-p", &credentials]);
    cf.run_in(app.path(), &["push", "pulls", "-m", "64M", "--no-start"]);
    cf.run(&["bind-service", "pulls", "source"]);
    cf.run(&["start", "pulls"]);
    // Bytes, and how many there may have been at `limit` MiB a second, with what comes at once.
    let pull = |limit: f64| {
        let answer = daemon.get("pulls", &format!("/?pull=host.pastina.internal:{port}"));
        let (bytes, seconds) = answer
            .1
            .split_once(' ')
            .unwrap_or_else(|| panic!("{answer:?}"));
        let (bytes, seconds): (f64, f64) = (bytes.parse().unwrap(), seconds.parse().unwrap());
        (bytes, limit.mul_add(seconds, limit / 4.0) * MIB)
    };
    let stats = || {
        let path = format!("/v3/apps/{}/processes/web/stats", cf.guid("pulls"));
        let stats: serde_json::Value = serde_json::from_str(&cf.run(&["curl", &path])).unwrap();
        stats["resources"][0].clone()
    };
    let before = stats();
    let (first, most) = pull(1.0);
    assert!(first <= most && first >= MIB / 2.0, "{first} of {most}");

    set("8M").unwrap();
    eventually("more to come", || {
        let (bytes, most) = pull(8.0);
        assert!(bytes <= most, "{bytes} of {most}");
        (bytes > 5.0 * MIB).then_some(())
    });
    // One that is not right changes nothing.
    set("0M").unwrap();
    eventually("the complaint", || {
        daemon
            .log()
            .contains("limits.bandwidth must be")
            .then_some(())
    });
    assert!(pull(8.0).0 > 5.0 * MIB);
    assert!(
        !daemon.log().contains("restart the daemon for it"),
        "{}",
        daemon.log()
    );

    // What went through is counted for whoever looks.
    let counted = eventually("the bytes to be counted", || {
        let usage = stats()["usage"].clone();
        let received = usage["rx_bytes"].as_f64()?;
        (received >= first).then_some(usage)
    });
    assert!(counted["tx_bytes"].is_u64(), "{counted}");
    let own = Own::login(&daemon);
    let shown = own.output(Path::new("/"), &["app", "pulls"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("received"), "{shown}");
    assert_eq!(before["instance_guid"], stats()["instance_guid"]);
}
