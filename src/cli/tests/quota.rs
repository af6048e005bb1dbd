//! Quotas.

use serde_json::{Value, json};

use super::fake::{Fake, page};
use crate::cli::failure::code;

fn quota(name: &str, memory: &Value) -> Value {
    json!({
        "guid": format!("{name}-id"), "name": name,
        "apps": { "total_memory_in_mb": memory, "total_instances": 4 },
        "services": { "total_service_instances": 0 }, "routes": { "total_routes": null },
        "domains": { "total_domains": null },
    })
}

#[tokio::test]
async fn a_quota_is_made_changed_and_given() {
    let fake = Fake::new().await;
    fake.logged_in();
    fake.teach(
        "GET /v3/organization_quotas?names=class",
        200,
        page(json!([])),
    );
    fake.teach(
        "POST /v3/organization_quotas ",
        201,
        quota("class", &json!(1024)),
    );
    let line = [
        "quota",
        "set",
        "class",
        "-m",
        "1G",
        "-a",
        "4",
        "--services",
        "0",
    ];
    let (outcome, out, _) = fake.run(&line).await;
    outcome.unwrap();
    assert_eq!(out, "class is made.\n");
    assert_eq!(
        fake.one("POST /v3/organization_quotas ").json(),
        json!({
            "name": "class",
            "apps": { "total_memory_in_mb": 1024, "total_instances": 4 },
            "services": { "total_service_instances": 0 },
        })
    );

    let fake = Fake::new().await;
    fake.logged_in();
    let found = page(json!([quota("class", &json!(1024))]));
    fake.teach("GET /v3/organization_quotas?names=class", 200, found);
    let path = "/v3/organization_quotas/class-id";
    fake.teach(&format!("PATCH {path} "), 200, quota("class", &Value::Null));
    let (outcome, out, _) = fake.run(&["quota", "set", "class", "-m", "none"]).await;
    outcome.unwrap();
    assert_eq!(out, "class is changed.\n");
    let sent = fake.one(&format!("PATCH {path} ")).json();
    assert_eq!(sent, json!({ "apps": { "total_memory_in_mb": null } }));
    let line = format!("POST {path}/relationships/organizations ");
    fake.teach(&line, 200, json!({ "data": [] }));
    let (outcome, out, _) = fake.run(&["quota", "apply", "class"]).await;
    outcome.unwrap();
    assert!(out.ends_with("has the quota class.\n"), "{out}");
    assert_eq!(
        fake.one(&line).json(),
        json!({ "data": [{ "guid": "org-id" }] })
    );
}

#[tokio::test]
async fn what_is_no_limit_is_refused_before_anything_is_sent() {
    let fake = Fake::new().await;
    fake.logged_in();
    for (flag, value) in [("-m", "lots"), ("-a", "-1"), ("-r", "1G"), ("-l", "x")] {
        let flag = format!(
            "{}={value}",
            match flag {
                "-m" => "--memory",
                "-a" => "--instances",
                "-r" => "--routes",
                _ => "--log-rate",
            }
        );
        let (outcome, ..) = fake.run(&["quota", "set", "class", &flag]).await;
        assert_eq!(outcome.unwrap_err().number(), code::USAGE, "{flag}");
    }
}

#[tokio::test]
async fn usage_stands_beside_the_limits() {
    let fake = Fake::new().await;
    fake.logged_in();
    let usage = json!({ "usage_summary": {
        "memory_in_mb": 512, "started_instances": 2, "routes": 1, "domains": 3,
        "reserved_ports": 0, "service_instances": 0, "service_keys": 0,
    } });
    fake.teach(
        "GET /v3/organizations/org-id/usage_summary",
        200,
        usage.clone(),
    );
    fake.teach("GET /v3/spaces/space-id/usage_summary", 200, usage);
    let of = |guid: &Value| json!({ "relationships": { "quota": { "data": guid } } });
    fake.teach(
        "GET /v3/organizations/org-id ",
        200,
        of(&json!({ "guid": "class-id" })),
    );
    fake.teach("GET /v3/spaces/space-id ", 200, of(&Value::Null));
    fake.teach(
        "GET /v3/organization_quotas/class-id",
        200,
        quota("class", &json!(1024)),
    );
    let (outcome, out, _) = fake.run(&["quota", "usage"]).await;
    outcome.unwrap();
    let lines: Vec<Vec<&str>> = out
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[1], ["memory", "512M", "1024M", "512M", "-"]);
    assert_eq!(lines[3], ["instances", "2", "4", "2", "-"]);
    assert_eq!(lines[10], ["domains", "3", "-", "-", "-"]);
}
