//! Sidecars: what runs beside a process.

use serde_json::json;

use crate::support::{Api, Cf, Daemon, eventually, folder, processes_with};

/// Asks its sidecar, which only it can reach.
const APP: &str = r#"
import http.server, os, socket

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with socket.create_connection(("127.0.0.1", 9000)) as beside:
            told = beside.recv(100)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(told + b" with " + os.environ["MEMORY_LIMIT"].encode())
    def log_message(self, *values):
        pass

http.server.HTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"#;

const SIDECAR: &str = r#"
import os, socket
print("listening for", os.environ["PORT"], flush=True)
server = socket.create_server(("127.0.0.1", 9000))
while True:
    peer, _ = server.accept()
    peer.sendall(b"beside")
    peer.close()
"#;

#[test]
fn a_sidecar_lives_and_dies_with_each_instance_of_its_process() {
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    let mark = format!("beside-{}", std::process::id());
    let manifest = format!(
        "applications:\n- name: pair\n  memory: 96M\n  command: exec python3 app.py\n  sidecars:\n  \
         - name: proxy\n    process_types: [web]\n    command: exec python3 sidecar.py {mark}\n    \
         memory: 32M\n"
    );
    let files = folder(&[
        ("app.py", APP),
        ("sidecar.py", SIDECAR),
        ("manifest.yml", &manifest),
    ]);
    cf.run_in(files.path(), &["push"]);
    eventually("the sidecar to answer", || {
        (daemon.get("pair", "/").1 == "beside with 64m").then_some(())
    });
    let app = cf.run(&["app", "pair"]);
    assert!(app.contains("sidecars:       proxy"), "{app}");
    let logs = eventually("what it wrote", || {
        let logs = cf.run(&["logs", "pair", "--recent"]);
        logs.contains("listening for 8080").then_some(logs)
    });
    let line = logs
        .lines()
        .find(|line| line.contains("listening for"))
        .unwrap();
    assert!(
        line.contains("[APP/PROC/WEB/SIDECAR/PROXY/0] OUT"),
        "{line}"
    );

    // Its end is the instance's, and both are there again.
    let before = processes_with(&["sidecar.py", &mark]);
    assert_eq!(before.len(), 1);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(before[0]),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    eventually("another one", || {
        let now = processes_with(&["sidecar.py", &mark]);
        (now.len() == 1 && now != before).then_some(())
    });
    let logs = eventually("the reason", || {
        let logs = cf.run(&["logs", "pair", "--recent"]);
        logs.contains("The sidecar has ended").then_some(logs)
    });
    assert!(logs.contains("137"), "{logs}");
    assert!(cf.run(&["events", "pair"]).contains("app.crash"));

    // By hand, with what is refused.
    let (api, guid) = (Api::login(&daemon), cf.guid("pair"));
    let path = format!("/v3/apps/{guid}/sidecars");
    let sidecar = api.get(&path).expect(200)["resources"][0].clone();
    assert_eq!(sidecar["memory_in_mb"], 32, "{sidecar}");
    let body = |name: &str, memory: u32| json!({ "name": name, "command": "sleep 9", "process_types": ["web"], "memory_in_mb": memory });
    for (body, words) in [
        (body("proxy", 1), "already exists for given app"),
        (body("large", 64), "too large to run with the dependent"),
        (body("", 1), "can't be blank"),
        (
            json!({ "name": "a", "command": "b", "process_types": [] }),
            "at least 1",
        ),
    ] {
        let refusal = api.send("POST", &path, &body).refusal(422);
        assert!(refusal.contains(words), "no {words:?} in {refusal}");
    }
    let other = api.send("POST", &path, &body("other", 8)).guid();
    let one = format!("/v3/sidecars/{other}");
    let patch = json!({ "command": "exec sleep 1000", "process_types": ["worker"] });
    let changed = api.send("PATCH", &one, &patch).expect(200);
    assert_eq!(changed["process_types"], json!(["worker"]), "{changed}");
    let beside = api
        .get(&format!("/v3/processes/{guid}/sidecars"))
        .expect(200);
    assert_eq!(beside["pagination"]["total_results"], 1, "{beside}");
    let small = json!({ "memory_in_mb": 16 });
    let scale = format!("/v3/processes/{guid}/actions/scale");
    let refusal = api.send("POST", &scale, &small).refusal(422);
    assert!(refusal.contains("not large enough"), "{refusal}");
    let manifest = cf.run(&["curl", &format!("/v3/apps/{guid}/manifest")]);
    assert!(manifest.contains("exec sleep 1000"), "{manifest}");
    cf.run(&["restart", "pair"]);
    assert!(cf.run(&["revisions", "pair"]).contains("Sidecars updated."));
    cf.run(&["curl", "-X", "DELETE", &one]);
    api.get(&one).refusal(404);
    cf.run(&["delete", "pair", "-f", "-r"]);
}
