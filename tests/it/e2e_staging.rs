//! Builds beside what else there is: they wait for memory, and hear of rules that change.

use serde_json::Value;

use crate::support::{Cf, Daemon, Setup, eventually, folder};

const SERVER: &str = "import http.server\n\
    http.server.ThreadingHTTPServer(('', 8080), http.server.SimpleHTTPRequestHandler).serve_forever()\n";

/// A build that tries without end to reach an address that no group opens.
const BUILD: &str = "echo begun
while true; do
  python3 -c 'import socket; socket.create_connection((\"192.168.254.253\", 9), 1)' 2> /dev/null
  sleep 0.2
done
";

const RULE: &str =
    r#"[{"protocol": "tcp", "destination": "192.168.254.253", "ports": "9", "log": true}]"#;

#[test]
fn a_build_waits_for_memory_and_is_held_to_groups_as_they_change() {
    let daemon = Daemon::with(Setup {
        arguments: ["--set", "limits.machine_memory=1200M"]
            .map(str::to_owned)
            .into(),
        ..Setup::default()
    });
    let cf = Cf::login(&daemon);
    let server = folder(&[("app.py", SERVER)]);
    cf.run_in(server.path(), &["push", "holds", "-m", "512M"]);
    let files = folder(&[
        (
            "package.json",
            r#"{"scripts": {"build": "bash build.sh", "start": "true"}}"#,
        ),
        ("build.sh", BUILD),
        ("node_modules/none", ""),
        ("rule.json", RULE),
    ]);
    let group = ["create-security-group", "nobody", "rule.json"];
    cf.run_in(files.path(), &group);

    let mut push = cf.command();
    let push = push
        .args(["push", "waits", "-m", "64M"])
        .current_dir(files.path());
    let mut push = push.stdout(std::process::Stdio::null()).spawn().unwrap();
    let said = |text: &str| {
        eventually(text, || {
            let log = cf.output(&["logs", "waits", "--recent"]);
            let log = String::from_utf8_lossy(&log.stdout).into_owned();
            log.contains(text).then_some(log)
        })
    };
    let log = said("Waiting for 1024M of memory: of the platform's 1200M, apps have 512M");
    assert!(!log.contains("begun"), "{log}");
    let builds: Value =
        serde_json::from_str(&cf.run(&["curl", "/v3/builds?states=STAGING"])).unwrap();
    assert_eq!(builds["resources"][0]["state"], "STAGING", "{builds}");
    cf.run(&["stop", "holds"]);
    said("begun");

    said("[network] a TCP connection to 192.168.254.253:9 was refused");
    cf.run(&["bind-staging-security-group", "nobody"]);
    said("[network] a TCP connection to 192.168.254.253:9 was opened");

    // What the build has is not there for apps.
    let start = format!("/v3/apps/{}/actions/start", cf.guid("holds"));
    cf.run(&["curl", "-X", "POST", &start]);
    let path = format!("/v3/apps/{}/processes/web/stats", cf.guid("holds"));
    eventually("the app to wait", || {
        let stats: Value = serde_json::from_str(&cf.run(&["curl", &path])).unwrap();
        let details = stats["resources"][0]["details"].as_str()?.to_owned();
        details
            .contains("insufficient resources: memory")
            .then_some(())
    });
    // It ends with its app.
    cf.run(&["delete", "waits", "-f"]);
    push.wait().unwrap();
    daemon.get_ok("holds");
}
