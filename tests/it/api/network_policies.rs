//! Network policies, the internal domain, and who may open an app to another.

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::{Value, json};

use super::harness::{Platform, all, guid, to_one};

const PATH: &str = "/networking/v1/external/policies";

fn policy(from: &str, to: &str, ports: (u16, u16)) -> Value {
    json!({ "policies": [{
        "source": { "id": from },
        "destination": {
            "id": to, "protocol": "tcp", "ports": { "start": ports.0, "end": ports.1 },
        },
    }] })
}

#[tokio::test]
async fn policies_are_made_listed_and_deleted() {
    let platform = Platform::start().await;
    let (_, space) = platform.home().await;
    let shop = platform.app("shop", &space).await;
    let orders = platform.app("orders", &space).await;
    let call = async |method, path: &str, body: Value| {
        platform.call(&platform.admin, method, path, body).await
    };
    let one = policy(&shop, &orders, (8080, 8090));
    for _ in 0..2 {
        let made = call("POST", PATH, one.clone()).await;
        assert_eq!(made.expect(200), json!({}));
    }
    let list = platform.get(PATH).await;
    assert_eq!(list["total_policies"], 1);
    assert_eq!(list["policies"], one["policies"]);
    for (query, expected) in [
        (format!("id={orders}"), 1),
        (format!("id={shop},{orders}"), 1),
        (format!("source_id={shop}"), 1),
        (format!("source_id={orders}"), 0),
        (format!("dest_id={orders}&source_id={shop}"), 1),
        ("id=".to_owned(), 0),
    ] {
        let list = platform.get(&format!("{PATH}?{query}")).await;
        assert_eq!(list["total_policies"], expected, "{query}");
    }
    // The old version tells what it has words for.
    let old = PATH.replace("v1", "v0");
    assert_eq!(platform.get(&old).await["total_policies"], 0);
    let single = json!({ "policies": [{
        "source": { "id": orders },
        "destination": { "id": shop, "protocol": "udp", "port": 53 },
    }] });
    call("POST", &old, single.clone()).await.expect(200);
    assert_eq!(platform.get(&old).await["policies"], single["policies"]);
    call("POST", &format!("{PATH}/delete"), one.clone())
        .await
        .expect(200);
    call("POST", &format!("{PATH}/delete"), one)
        .await
        .expect(200);
    assert_eq!(platform.get(PATH).await["total_policies"], 1);
    // What is gone is open to nobody.
    platform.delete(&format!("/v3/apps/{shop}")).await;
    assert_eq!(platform.get(PATH).await["total_policies"], 0);
    let events = platform
        .get(&format!("/v3/audit_events?target_guids={orders}"))
        .await;
    assert_eq!(all(&events, "type"), ["audit.app.network_policy.create"]);
}

#[tokio::test]
async fn only_who_develops_both_apps_may_open_one_to_the_other() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let body = json!({ "name": "other", "relationships": { "organization": to_one(&org) } });
    let other = guid(&platform.make("/v3/spaces", body).await);
    let mine = platform.app("mine", &space).await;
    let theirs = platform.app("theirs", &other).await;
    let delete = format!("{PATH}/delete");
    let both = policy(&mine, &theirs, (80, 80));
    platform
        .call(&platform.admin, "POST", PATH, both.clone())
        .await
        .expect(200);
    for role in [
        "organization_manager",
        "space_developer",
        "space_auditor",
        "space_manager",
        "space_supporter",
    ] {
        let (user, token) = platform.user(role).await;
        platform.role("organization_user", &user, &org).await;
        let place = if role.starts_with("space") {
            &space
        } else {
            &org
        };
        platform.role(role, &user, place).await;
        let own = policy(&mine, &mine, (80, 80));
        let expected = if role == "space_developer" { 200 } else { 403 };
        for (path, body, expected) in [
            (PATH, &own, expected),
            (&delete, &own, expected),
            (PATH, &both, 403),
            (&delete, &both, 403),
            (PATH, &policy(&theirs, &mine, (80, 80)), 403),
        ] {
            let answer = platform.call(&token, "POST", path, body.clone()).await;
            assert_eq!(answer.status, expected, "{role}: {path} {body}");
            if expected == 403 {
                let text = "one or more applications cannot be found or accessed";
                assert_eq!(answer.json, json!({ "error": text }), "{role}");
            }
        }
        let list = platform.call(&token, "GET", PATH, Value::Null).await;
        assert_eq!(list.expect(200)["total_policies"], 0, "{role}");
    }
    let stranger = platform.call("", "GET", PATH, Value::Null).await;
    assert!(stranger.expect(401)["error"].is_string());
}

#[tokio::test]
async fn bad_policies_are_refused() {
    let platform = Platform::start().await;
    let (_, space) = platform.home().await;
    let app = platform.app("app", &space).await;
    let send = async |body: Vec<u8>| {
        let request = Request::post(PATH)
            .header(header::HOST, "api.apps.test")
            .header(header::AUTHORIZATION, format!("bearer {}", platform.admin))
            .body(Body::from(body))
            .unwrap();
        let answer = platform.send(request).await;
        (answer.status, answer.json["error"].to_string())
    };
    let gone = "00000000-0000-4000-8000-000000000000";
    for (body, status, part) in [
        (b"{".to_vec(), 400, "unmarshal json"),
        (b"[]".to_vec(), 400, "missing policies"),
        (b"{\"policies\":{}}".to_vec(), 400, "unmarshal json"),
        (b"{}".to_vec(), 400, "missing policies"),
        (
            policy(&app, &app, (0, 1)).to_string().into(),
            400,
            "port range",
        ),
        (
            policy(&app, "x", (1, 1)).to_string().into(),
            400,
            "not the guid",
        ),
        (
            policy(&app, gone, (1, 1)).to_string().into(),
            403,
            "cannot be found",
        ),
        (vec![b' '; 5 << 20], 400, "invalid request body"),
    ] {
        let (got, text) = send(body).await;
        assert_eq!(got, status, "{text}");
        assert!(text.contains(part), "{text}");
    }
    let many: Vec<Value> = (1..=200)
        .map(|port| policy(&app, &app, (port, port))["policies"][0].clone())
        .collect();
    let (status, text) = send(json!({ "policies": many }).to_string().into()).await;
    assert_eq!(status, 403, "{text}");
    assert!(text.contains("policy quota exceeded"), "{text}");
    assert_eq!(platform.get(PATH).await["total_policies"], 0);
}

#[tokio::test]
async fn routes_of_the_internal_domain_have_a_host_and_no_path() {
    let platform = Platform::start().await;
    let (_, space) = platform.home().await;
    let list = platform.get("/v3/domains?names=apps.internal").await;
    let domain = &list["resources"][0];
    assert_eq!(domain["internal"], true);
    let make = async |host: &str, path: &str| {
        let relationships = json!({ "space": to_one(&space), "domain": to_one(&guid(domain)) });
        let body = json!({ "host": host, "path": path, "relationships": relationships });
        platform
            .call(&platform.admin, "POST", "/v3/routes", body)
            .await
    };
    assert_eq!(
        make("orders", "").await.expect(201)["url"],
        "orders.apps.internal"
    );
    assert!(make("", "").await.refusal(422).contains("Missing host"));
    assert!(make("*", "").await.refusal(422).contains("Wildcard"));
    assert!(make("x", "/v1").await.refusal(422).contains("Paths"));
}
