//! Services, network policies and security groups.

use std::fs;

use serde_json::{Value, json};

use super::fake::{Fake, page};
use crate::cli::failure::code;

fn app(name: &str) -> Value {
    json!({ "guid": format!("{name}-id"), "name": name, "state": "STARTED" })
}

fn to_one(guid: &str) -> Value {
    json!({ "data": { "guid": guid } })
}

fn teach_apps(fake: &Fake) {
    for name in ["shop", "orders"] {
        let line = format!("GET /v3/apps?names={name}&");
        fake.teach(&line, 200, page(json!([app(name)])));
    }
    let both = page(json!([app("shop"), app("orders")]));
    fake.teach("GET /v3/apps?", 200, both);
}

fn service() -> Value {
    json!({ "guid": "db-id", "name": "db", "type": "user-provided", "tags": ["sql"],
        "syslog_drain_url": null, "route_service_url": null })
}

fn teach_service(fake: &Fake) {
    let found = page(json!([service()]));
    fake.teach("GET /v3/service_instances?", 200, found);
    let binding = json!({ "guid": "b-id", "name": "main", "relationships": {
        "app": to_one("shop-id"), "service_instance": to_one("db-id"),
    } });
    let found = page(json!([binding]));
    fake.teach("GET /v3/service_credential_bindings?", 200, found);
}

#[tokio::test]
async fn services_are_listed_with_their_apps() {
    let fake = Fake::new().await;
    fake.logged_in();
    teach_apps(&fake);
    teach_service(&fake);
    let (outcome, out, _) = fake.run(&["service", "list"]).await;
    outcome.unwrap();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(
        lines[1],
        "db     user-provided           shop as main   sql"
    );
    let (_, out, _) = fake.run(&["--output", "json", "services", "list"]).await;
    let rows: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&rows[0]["name"], &rows[0]["apps"]),
        (&json!("db"), &json!(["shop as main"]))
    );
}

#[tokio::test]
async fn credentials_come_from_the_line_or_a_file() {
    let fake = Fake::new().await;
    fake.logged_in();
    fake.teach("POST /v3/service_instances ", 201, service());
    let file = fake.home.path().join("db.json");
    fs::write(&file, r#"{"uri": "postgres://db"}"#).unwrap();
    let given = format!("@{}", file.display());
    let line = [
        "service", "create", "db", "-c", &given, "-t", "sql", "-t", "x",
    ];
    let (outcome, out, _) = fake.run(&line).await;
    outcome.unwrap();
    assert_eq!(out, "db is made.\n");
    assert_eq!(
        fake.one("POST /v3/service_instances ").json(),
        json!({
            "type": "user-provided", "name": "db", "credentials": { "uri": "postgres://db" },
            "tags": ["sql", "x"], "relationships": { "space": to_one("space-id") },
        })
    );
    for bad in ["[]", "{", "postgres://db"] {
        let (outcome, _, err) = fake.run(&["service", "create", "db", "-c", bad]).await;
        assert_eq!(outcome.unwrap_err().number(), code::USAGE);
        assert!(err.contains("not a JSON object"), "{err}");
    }
}

#[tokio::test]
async fn apps_are_bound_and_unbound_by_name() {
    let fake = Fake::new().await;
    fake.logged_in();
    teach_apps(&fake);
    teach_service(&fake);
    fake.teach("POST /v3/service_credential_bindings ", 201, json!({}));
    fake.teach(
        "DELETE /v3/service_credential_bindings/b-id ",
        204,
        Value::Null,
    );
    let (outcome, out, _) = fake
        .run(&["service", "bind", "shop", "db", "--name", "main"])
        .await;
    outcome.unwrap();
    assert_eq!(
        out,
        "db is bound to shop; `pastina restart shop` lets it see that.\n"
    );
    assert_eq!(
        fake.one("POST /v3/service_credential_bindings ").json(),
        json!({ "type": "app", "name": "main", "relationships": {
            "app": to_one("shop-id"), "service_instance": to_one("db-id"),
        } })
    );
    let (outcome, out, _) = fake.run(&["service", "unbind", "shop", "db"]).await;
    outcome.unwrap();
    assert_eq!(out, "db is not bound to shop.\n");
    fake.one("DELETE /v3/service_credential_bindings/b-id ");
}

#[tokio::test]
async fn a_network_policy_tells_under_which_name_the_other_app_is_reached() {
    let fake = Fake::new().await;
    fake.logged_in();
    teach_apps(&fake);
    let policies = "POST /networking/v1/external/policies ";
    fake.teach(policies, 200, json!({}));
    let route = |url: &str| json!({ "guid": url, "url": url, "destinations": [] });
    let routes = "GET /v3/apps/orders-id/routes ";
    fake.teach(routes, 200, page(json!([route("orders.example.kr")])));
    let named = json!([route("orders.example.kr"), route("o.apps.internal")]);
    fake.teach(routes, 200, page(named));
    let line = ["network-policy", "add", "shop", "orders", "--port", "80-90"];
    let (outcome, out, _) = fake.run(&line).await;
    outcome.unwrap();
    assert_eq!(
        out,
        "shop may reach orders at tcp 80-90, once it has a name: `pastina route map orders \
         orders.apps.internal`\n"
    );
    assert_eq!(
        fake.one(policies).json(),
        json!({ "policies": [{ "source": { "id": "shop-id" }, "destination": {
            "id": "orders-id", "protocol": "tcp", "ports": { "start": 80, "end": 90 },
        } }] })
    );
    let (_, out, _) = fake.run(&line).await;
    assert_eq!(
        out,
        "shop may reach orders at tcp 80-90 as o.apps.internal.\n"
    );
    let bad = ["network-policy", "add", "shop", "orders", "--port", "90-80"];
    let (outcome, ..) = fake.run(&bad).await;
    assert_eq!(outcome.unwrap_err().number(), code::USAGE);
}

#[tokio::test]
async fn a_refused_policy_is_told_in_the_platforms_words() {
    let fake = Fake::new().await;
    fake.logged_in();
    teach_apps(&fake);
    let text = "one or more applications cannot be found or accessed";
    let refusal = json!({ "error": text });
    fake.teach(
        "POST /networking/v1/external/policies/delete ",
        403,
        refusal,
    );
    let (outcome, _, err) = fake
        .run(&["network-policy", "remove", "shop", "orders"])
        .await;
    assert_eq!(outcome.unwrap_err().number(), code::NOT_AUTHORISED);
    assert!(err.contains(text), "{err}");
}

#[tokio::test]
async fn security_groups_are_bound_to_the_space_or_everywhere() {
    let fake = Fake::new().await;
    fake.logged_in();
    let group = json!({
        "guid": "g-id", "name": "lan",
        "rules": [{ "protocol": "icmp", "destination": "10.0.0.1,10.0.0.2", "type": 8, "code": -1 }],
        "globally_enabled": { "running": true, "staging": false },
        "relationships": {
            "running_spaces": { "data": [] }, "staging_spaces": { "data": [{ "guid": "x" }] },
        },
    });
    fake.teach(
        "GET /v3/security_groups?",
        200,
        page(json!([group.clone()])),
    );
    fake.teach("PATCH /v3/security_groups/g-id ", 200, group);
    let spaces = "/v3/security_groups/g-id/relationships/staging_spaces";
    fake.teach(&format!("POST {spaces} "), 200, json!({}));
    fake.teach(&format!("DELETE {spaces}/space-id "), 204, Value::Null);
    let (outcome, out, _) = fake.run(&["security-group", "list"]).await;
    outcome.unwrap();
    assert_eq!(
        out.lines().nth(1).unwrap(),
        "lan    1       everywhere   1 space"
    );
    let (_, out, _) = fake.run(&["security-group", "show", "lan"]).await;
    let row = "icmp       10.0.0.1, 10.0.0.2   type 8, code -1";
    assert_eq!(out.lines().nth(1).unwrap(), row);
    let (outcome, out, _) = fake
        .run(&["security-group", "bind", "lan", "--staging"])
        .await;
    outcome.unwrap();
    assert_eq!(out, "lan holds in space.\n");
    let (outcome, out, _) = fake
        .run(&["security-group", "unbind", "lan", "--staging"])
        .await;
    outcome.unwrap();
    assert_eq!(out, "lan does not hold in space.\n");
    let (outcome, out, _) = fake
        .run(&["security-group", "unbind", "lan", "--everywhere"])
        .await;
    outcome.unwrap();
    assert_eq!(out, "lan does not hold everywhere.\n");
    assert_eq!(
        fake.one("PATCH /v3/security_groups/g-id ").json(),
        json!({ "globally_enabled": { "running": false } })
    );
    let missing = fake.home.path().join("none.json").display().to_string();
    let (outcome, _, err) = fake.run(&["security-group", "create", "x", &missing]).await;
    assert!(outcome.is_err() && err.contains("none.json"), "{err}");
}
