//! The whole life of an instance with the stock command line, at a broker that answers at once.

use serde_json::{Value, json};

use super::found;
use crate::support::{Api, Broker, Cf, Daemon, PASSWORD, USER, folder};

/// Prints what it is bound to.
const APP: &str = r#"
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["VCAP_SERVICES"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *values):
        pass

http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"#;

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

#[test]
fn an_instance_lives_from_marketplace_to_the_end() {
    let daemon = Daemon::shared();
    let (cf, api) = (Cf::login(&daemon), Api::login(&daemon));
    let broker = Broker::start("life-db");
    cf.run(&[
        "create-service-broker",
        "life",
        USER,
        PASSWORD,
        &broker.url(),
    ]);
    says(&cf.run(&["service-brokers"]), &["life", &broker.url()]);
    // What is new is nobody's yet.
    says(
        &cf.run(&["service-access", "-b", "life"]),
        &["life-db", "none"],
    );
    cf.run(&["enable-service-access", "life-db"]);
    says(&cf.run(&["service-access", "-b", "life"]), &["all"]);
    says(
        &cf.run(&["marketplace"]),
        &["life-db", "small, large", "made for a test"],
    );
    says(
        &cf.run(&["marketplace", "-e", "life-db"]),
        &["10 GB", "USD 9.50/MONTHLY"],
    );
    let files = folder(&[("app.py", APP), ("Procfile", "web: python3 app.py\n")]);
    cf.run_in(
        files.path(),
        &["push", "life-app", "--no-start", "-m", "64M"],
    );

    let made = ["create-service", "life-db", "small", "life-one"];
    let more = ["-c", r#"{"size": 3}"#, "-t", "mine", "--wait"];
    says(&cf.run(&[made.as_slice(), &more].concat()), &["created"]);
    let asked = broker.seen("PUT", "/v2/service_instances/");
    let body = &asked[0].body;
    assert_eq!(body["parameters"], json!({ "size": 3 }));
    assert_eq!(body["context"]["platform"], "cloudfoundry");
    assert_eq!(body["context"]["instance_name"], "life-one");
    assert_eq!(body["maintenance_info"], json!({ "version": "1.0.0" }));
    assert_eq!(asked[0].query, "accepts_incomplete=true");
    let headers = &asked[0].headers;
    assert!(headers["x-broker-api-originating-identity"].starts_with("cloudfoundry "));
    assert!(headers.contains_key("x-broker-api-request-identity"));
    says(&cf.run(&made), &["already exists"]);
    says(
        &cf.run(&["service", "life-one"]),
        &[
            "life-db",
            "small",
            "create succeeded",
            "https://dashboard.example.kr/",
            "mine",
        ],
    );
    says(
        &cf.run(&["service", "life-one", "--params"]),
        &["\"size\": 3"],
    );
    says(
        &cf.run(&["services"]),
        &["life-one", "create succeeded", "life"],
    );

    cf.run(&[
        "bind-service",
        "life-app",
        "life-one",
        "--binding-name",
        "db",
        "--wait",
    ]);
    says(
        &cf.run(&["bind-service", "life-app", "life-one"]),
        &["already bound"],
    );
    cf.run(&["start", "life-app"]);
    let services: Value = serde_json::from_str(&daemon.get_ok("life-app")).unwrap();
    let entry = &services["life-db"][0];
    let guid = found(&api, "life-one").unwrap()["guid"].clone();
    let binding = &entry["binding_guid"];
    assert_eq!(
        *entry,
        json!({
            "label": "life-db", "provider": null, "plan": "small", "name": "db",
            "tags": ["sql", "test", "mine"], "instance_guid": guid, "instance_name": "life-one",
            "binding_guid": binding, "binding_name": "db",
            "credentials": { "uri": "mysql://user:word@db.example.kr:3306/x" },
            "syslog_drain_url": null, "volume_mounts": [],
        })
    );

    cf.run(&[
        "create-service-key",
        "life-one",
        "key",
        "-c",
        r#"{"ro": true}"#,
        "--wait",
    ]);
    says(
        &cf.run(&["create-service-key", "life-one", "key"]),
        &["already exists"],
    );
    says(
        &cf.run(&["service-keys", "life-one"]),
        &["key", "create succeeded"],
    );
    says(
        &cf.run(&["service-key", "life-one", "key"]),
        &["mysql://user:word@"],
    );
    assert_eq!(broker.holds(), (1, 2));

    cf.run(&[
        "update-service",
        "life-one",
        "-p",
        "large",
        "-c",
        r#"{"size": 9}"#,
        "--wait",
    ]);
    let asked = broker.seen("PATCH", "/v2/service_instances/");
    assert_eq!(asked[0].body["plan_id"], "life-db-large");
    assert_eq!(asked[0].body["previous_values"]["plan_id"], "life-db-small");
    cf.run(&["rename-service", "life-one", "life-two"]);
    says(
        &cf.run(&["service", "life-two"]),
        &["large", "update succeeded"],
    );
    assert_eq!(
        broker.seen("PATCH", "/v2")[1].body["context"]["instance_name"],
        "life-two"
    );

    // A new version comes, and is taken.
    broker.change(|rules| {
        for plan in [0, 1] {
            rules.catalog["services"][0]["plans"][plan]["maintenance_info"]["version"] =
                "2.0.0".into();
        }
    });
    cf.run(&[
        "update-service-broker",
        "life",
        USER,
        PASSWORD,
        &broker.url(),
    ]);
    says(&cf.run(&["services"]), &["yes"]);
    cf.run(&["upgrade-service", "life-two", "-f", "--wait"]);
    assert_eq!(
        found(&api, "life-two").unwrap()["maintenance_info"]["version"],
        "2.0.0"
    );

    says(
        &cf.fail(&["delete-service-broker", "life", "-f"]),
        &["Can not remove brokers that have associated service instances: life"],
    );
    cf.run(&["unbind-service", "life-app", "life-two", "--wait"]);
    cf.run(&["delete-service-key", "life-two", "key", "-f", "--wait"]);
    assert_eq!(broker.holds(), (1, 0));
    cf.run(&["delete-service", "life-two", "-f", "--wait"]);
    assert_eq!(broker.holds(), (0, 0));
    cf.run(&["delete-service-broker", "life", "-f"]);
    assert!(!cf.run(&["marketplace"]).contains("life-db"));
    cf.run(&["delete", "life-app", "-f"]);

    let events = format!("/v3/audit_events?target_guids={}", guid.as_str().unwrap());
    let events = api.get(&events).expect(200);
    let kinds: Vec<_> = events["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        kinds,
        [
            "audit.service_instance.create",
            "audit.service_instance.update",
            "audit.service_instance.update",
            "audit.service_instance.update",
            "audit.service_instance.delete",
        ]
    );
    let usage = api
        .get("/v3/service_usage_events?per_page=5000")
        .expect(200);
    let states: Vec<_> = usage["resources"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["service_instance"]["guid"] == guid)
        .map(|event| event["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["CREATED", "UPDATED", "UPDATED", "DELETED"]);
}

#[test]
fn what_a_broker_forgot_is_purged() {
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    let broker = Broker::start("purge-db");
    cf.run(&[
        "create-service-broker",
        "purge",
        USER,
        PASSWORD,
        &broker.url(),
    ]);
    cf.run(&["enable-service-access", "purge-db", "-p", "small"]);
    cf.run(&["create-service", "purge-db", "small", "purge-one", "--wait"]);
    cf.run(&["purge-service-instance", "purge-one", "-f"]);
    assert_eq!(broker.holds().0, 1, "the broker heard of it");
    cf.run(&["create-service", "purge-db", "small", "purge-two", "--wait"]);
    cf.run(&["purge-service-offering", "purge-db", "-f"]);
    assert!(!cf.run(&["services"]).contains("purge-two"));
    assert!(broker.seen("DELETE", "/v2").is_empty());
    cf.run(&["delete-service-broker", "purge", "-f"]);
}
