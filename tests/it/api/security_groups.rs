//! Security groups: who sees and changes them, and what is refused.

use serde_json::{Value, json};

use super::harness::{Platform, all, guid, to_one};

fn any_tcp() -> Value {
    json!([{ "protocol": "tcp", "destination": "10.0.0.0/8", "ports": "5432" }])
}

/// A user of each role in org and space `dev`.
async fn members(platform: &Platform) -> Vec<(&'static str, String)> {
    let (org, space) = platform.home().await;
    let mut members = Vec::new();
    for role in [
        "nobody",
        "organization_user",
        "organization_auditor",
        "organization_manager",
        "organization_billing_manager",
        "space_developer",
        "space_auditor",
        "space_manager",
        "space_supporter",
    ] {
        let (user, token) = platform.user(role).await;
        if role.starts_with("space") {
            platform.role("organization_user", &user, &org).await;
            platform.role(role, &user, &space).await;
        } else if role != "nobody" {
            platform.role(role, &user, &org).await;
        }
        members.push((role, token));
    }
    members
}

#[tokio::test]
async fn the_first_groups_hold_everywhere_and_everybody_sees_them() {
    let platform = Platform::start().await;
    let list = platform.get("/v3/security_groups?order_by=name").await;
    assert_eq!(all(&list, "name"), ["dns", "public_networks"]);
    for group in list["resources"].as_array().unwrap() {
        let everywhere = json!({ "running": true, "staging": true });
        assert_eq!(group["globally_enabled"], everywhere);
    }
    let (_, nobody) = platform.user("nobody").await;
    let list = platform
        .call(&nobody, "GET", "/v3/security_groups", Value::Null)
        .await;
    assert_eq!(list.expect(200)["pagination"]["total_results"], 2);
}

#[tokio::test]
async fn each_role_sees_and_binds_what_cloud_foundry_lets_it() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let body = json!({ "name": "elsewhere", "relationships": { "organization": to_one(&org) } });
    let other = guid(&platform.make("/v3/spaces", body).await);
    let body = json!({ "name": "db", "rules": any_tcp(), "relationships": {
        "running_spaces": { "data": [{ "guid": space }, { "guid": other }] },
    } });
    let group = guid(&platform.make("/v3/security_groups", body).await);
    let hidden = json!({ "name": "hidden", "rules": any_tcp() });
    let hidden = guid(&platform.make("/v3/security_groups", hidden).await);
    let path = format!("/v3/security_groups/{group}");
    let bind = format!("{path}/relationships/staging_spaces");
    let unbind = format!("{bind}/{space}");
    let here = json!({ "data": [{ "guid": space }] });
    for (role, token) in members(&platform).await {
        let call = async |method, path: &str, body: &Value| {
            let answer = platform.call(&token, method, path, body.clone()).await;
            (answer.status, answer.json)
        };
        let manages = ["organization_manager", "space_manager"].contains(&role);
        let sees = role.starts_with("space") || role == "organization_manager";
        let (status, document) = call("GET", &path, &Value::Null).await;
        assert_eq!(status, if sees { 200 } else { 404 }, "{role}");
        if sees {
            // Those of other spaces are nobody's business but theirs who see them.
            let spaces = &document["relationships"]["running_spaces"]["data"];
            let seen = if role == "organization_manager" { 2 } else { 1 };
            assert_eq!(spaces.as_array().unwrap().len(), seen, "{role}");
        }
        let expected = match (sees, manages) {
            (false, _) => [404, 404, 404, 404],
            (true, false) => [403, 403, 403, 403],
            (true, true) => [200, 204, 403, 403],
        };
        let patch = json!({ "name": "mine" });
        let asked = [
            ("POST", bind.as_str(), &here),
            ("DELETE", &unbind, &Value::Null),
            ("PATCH", &path, &patch),
            ("DELETE", &path, &Value::Null),
        ];
        for ((method, path, body), expected) in asked.into_iter().zip(expected) {
            let (status, text) = call(method, path, body).await;
            assert_eq!(status, expected, "{role}: {method} {path}: {text}");
        }
        let (status, _) = call("POST", "/v3/security_groups", &patch).await;
        assert_eq!(status, 403, "{role}");
        let (status, _) = call(
            "GET",
            &format!("/v3/security_groups/{hidden}"),
            &Value::Null,
        )
        .await;
        assert_eq!(status, 404, "{role}");
        let of_space = format!("/v3/spaces/{space}/running_security_groups?names=db");
        let (status, list) = call("GET", &of_space, &Value::Null).await;
        assert_eq!(status, if sees { 200 } else { 404 }, "{role}");
        assert!(!sees || all(&list, "name") == ["db"], "{role}: {list}");
        // A space of somebody else's cannot be bound, and whether it exists is not told apart.
        if role == "space_manager" {
            let body = json!({ "data": [{ "guid": other }] });
            assert_eq!(call("POST", &bind, &body).await.0, 403);
        }
    }
}

#[tokio::test]
async fn groups_are_changed_narrowed_and_deleted() {
    let platform = Platform::start().await;
    let (_, space) = platform.home().await;
    let body = json!({ "name": "db", "rules": any_tcp() });
    let made = platform.make("/v3/security_groups", body).await;
    assert_eq!(made["rules"], any_tcp());
    let group = guid(&made);
    let path = format!("/v3/security_groups/{group}");
    let call = async |method, path: &str, body: Value| {
        platform.call(&platform.admin, method, path, body).await
    };
    let rules = json!([
        { "protocol": "icmp", "destination": "0.0.0.0/0", "type": 8, "code": -1, "log": true },
        { "protocol": "all", "destination": "10.0.0.1-10.0.0.9,10.1.0.0/16", "description": "x" },
    ]);
    let patch =
        json!({ "name": "database", "rules": rules, "globally_enabled": { "running": true } });
    let changed = call("PATCH", &path, patch).await.expect(200);
    assert_eq!(changed["rules"], rules);
    assert_eq!(
        changed["globally_enabled"],
        json!({ "running": true, "staging": false })
    );
    let bind = format!("{path}/relationships/staging_spaces");
    let bound = call("POST", &bind, json!({ "data": [{ "guid": space }] })).await;
    assert_eq!(bound.expect(200)["data"], json!([{ "guid": space }]));
    for (query, expected) in [
        ("names=DATABASE", 1),
        ("names=db", 0),
        ("globally_enabled_running=true", 3),
        ("globally_enabled_staging=true", 2),
        ("globally_enabled_running=false", 0),
        (&format!("staging_space_guids={space}"), 1),
        (&format!("running_space_guids={space}"), 0),
        (&format!("guids={group}"), 1),
    ] {
        let list = platform.get(&format!("/v3/security_groups?{query}")).await;
        assert_eq!(list["pagination"]["total_results"], expected, "{query}");
    }
    let staging = format!("/v3/spaces/{space}/staging_security_groups?order_by=name");
    let seen = all(&platform.get(&staging).await, "name");
    assert_eq!(
        seen,
        ["database", "dns", "public_networks"].map(str::to_owned)
    );
    // A space takes its bindings along.
    platform.delete(&format!("/v3/spaces/{space}")).await;
    let group = platform.get(&path).await;
    assert_eq!(group["relationships"]["staging_spaces"]["data"], json!([]));
    platform.delete(&path).await;
    call("GET", &path, Value::Null).await.expect(404);
    let events = platform
        .get(&format!("/v3/audit_events?target_guids={}", guid(&group)))
        .await;
    assert_eq!(
        all(&events, "type"),
        [
            "audit.security_group.create",
            "audit.security_group.update",
            "audit.security_group.apply",
            "audit.security_group.delete"
        ]
    );
}

#[tokio::test]
async fn bad_input_is_refused_in_words() {
    let platform = Platform::start().await;
    let (_, space) = platform.home().await;
    let make = async |body: Value| {
        let path = "/v3/security_groups";
        platform.call(&platform.admin, "POST", path, body).await
    };
    let name = make(json!({ "name": "DNS" })).await.refusal(422);
    assert_eq!(name, "Security group with name 'DNS' already exists.");
    let body = json!({ "name": "x", "rules": "all" });
    assert_eq!(make(body).await.refusal(422), "Rules must be an array");
    let body = json!({ "name": "x", "rules": [{}, 1] });
    let answer = make(body).await;
    assert_eq!(answer.json["errors"].as_array().unwrap().len(), 3);
    assert!(
        answer
            .refusal(422)
            .starts_with("Rules[0]: protocol must be")
    );
    let rule = json!({ "protocol": "all", "destination": "10.0.0.1" });
    let huge = json!({ "name": "x", "rules": vec![rule; 2_000] });
    assert!(make(huge).await.refusal(422).contains("at most 1000"));
    for spaces in ["x", "00000000-0000-4000-8000-000000000000"] {
        let places = json!({ "running_spaces": { "data": [{ "guid": spaces }] } });
        let refusal = make(json!({ "name": "x", "relationships": places })).await;
        let text = refusal.refusal(422);
        assert!(
            text.contains("do not exist, or you do not have access"),
            "{text}"
        );
    }
    for body in [
        json!({ "name": 1 }),
        json!([]),
        json!({ "name": "x", "colour": 1 }),
    ] {
        make(body).await.expect(422);
    }
    let group = guid(&platform.get("/v3/security_groups").await["resources"][0]);
    let path = format!("/v3/security_groups/{group}/relationships/running_spaces/{space}");
    let unbind = platform.call(&platform.admin, "DELETE", &path, Value::Null);
    let text = unbind.await.refusal(422);
    assert!(
        text.contains("Ensure the space is bound to this security group."),
        "{text}"
    );
}
