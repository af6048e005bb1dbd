//! Who may do what: roles times requests.

use serde_json::{Value, json};

use super::harness::{Platform, all, guid, to_one};

/// What the members of each role are answered with, in the order of `ROLES`.
const ROLES: [&str; 9] = [
    "nobody",
    "organization_user",
    "organization_auditor",
    "organization_manager",
    "organization_billing_manager",
    "space_developer",
    "space_auditor",
    "space_manager",
    "space_supporter",
];

#[tokio::test]
async fn each_role_may_do_what_cloud_foundry_lets_it() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let domain = guid(&platform.get("/v3/domains").await["resources"][0]);
    let relationships = json!({ "space": to_one(&space), "domain": to_one(&domain) });
    let body = json!({ "host": "seen", "relationships": relationships });
    let route = guid(&platform.make("/v3/routes", body).await);

    let mut tokens = Vec::new();
    for role in ROLES {
        let (user, token) = platform.user(role).await;
        if role.starts_with("space") {
            platform.role("organization_user", &user, &org).await;
            platform.role(role, &user, &space).await;
        } else if role != "nobody" {
            platform.role(role, &user, &org).await;
        }
        tokens.push(token);
    }
    let org_path = format!("/v3/organizations/{org}");
    let space_path = format!("/v3/spaces/{space}");
    let route_path = format!("/v3/routes/{route}");
    let rename = json!({ "metadata": { "labels": { "a": "b" } } });
    let new_space = json!({ "name": "dev", "relationships": { "organization": to_one(&org) } });
    let new_route = json!({ "host": "seen", "relationships": relationships });
    let new_domain =
        json!({ "name": "apps.test", "relationships": { "organization": to_one(&org) } });
    let give = json!({ "type": "space_auditor", "relationships": {
        "user": { "data": { "username": "eve" } }, "space": to_one(&space),
    } });
    let give_org = json!({ "type": "organization_user", "relationships": {
        "user": { "data": { "username": "eve" } }, "organization": to_one(&org),
    } });
    let none = Value::Null;
    // 422 is what the allowed get where the request itself is made to fail.
    // nobody, user, auditor, manager, billing | developer, auditor, manager, supporter
    let table: [(&str, &str, &Value, [u16; 9]); 13] = [
        (
            "GET",
            &org_path,
            &none,
            [404, 200, 200, 200, 200, 200, 200, 200, 200],
        ),
        (
            "PATCH",
            &org_path,
            &rename,
            [404, 403, 403, 200, 403, 403, 403, 403, 403],
        ),
        (
            "DELETE",
            &org_path,
            &none,
            [404, 403, 403, 403, 403, 403, 403, 403, 403],
        ),
        (
            "GET",
            &space_path,
            &none,
            [404, 404, 404, 200, 404, 200, 200, 200, 200],
        ),
        (
            "PATCH",
            &space_path,
            &rename,
            [404, 404, 404, 200, 404, 403, 403, 200, 403],
        ),
        (
            "POST",
            "/v3/spaces",
            &new_space,
            [422, 403, 403, 422, 403, 403, 403, 403, 403],
        ),
        (
            "POST",
            "/v3/roles",
            &give,
            [422, 422, 422, 422, 422, 403, 403, 422, 403],
        ),
        (
            "POST",
            "/v3/roles",
            &give_org,
            [422, 403, 403, 422, 403, 403, 403, 403, 403],
        ),
        (
            "GET",
            &route_path,
            &none,
            [404, 404, 404, 200, 404, 200, 200, 200, 200],
        ),
        (
            "POST",
            "/v3/routes",
            &new_route,
            [422, 422, 422, 403, 422, 422, 403, 403, 422],
        ),
        (
            "PATCH",
            &route_path,
            &rename,
            [404, 404, 404, 403, 404, 200, 403, 403, 200],
        ),
        (
            "POST",
            "/v3/domains",
            &new_domain,
            [422, 403, 403, 422, 403, 403, 403, 403, 403],
        ),
        ("POST", "/v3/organizations", &rename, [422; 9]),
    ];
    for (method, path, body, expected) in table {
        for ((role, token), expected) in ROLES.iter().zip(&tokens).zip(expected) {
            let answer = platform.call(token, method, path, body.clone()).await;
            let text = &answer.json;
            assert_eq!(answer.status, expected, "{role}: {method} {path}: {text}");
        }
    }
    for (role, token) in ROLES.iter().zip(&tokens) {
        let body = json!({ "name": "mine" });
        platform
            .call(token, "POST", "/v3/organizations", body)
            .await
            .expect(403);
        let list = platform
            .call(token, "GET", "/v3/organizations", Value::Null)
            .await;
        let seen = all(&list.expect(200), "name");
        assert_eq!(seen.is_empty(), *role == "nobody", "{role} sees {seen:?}");
        let list = platform.call(token, "GET", "/v3/routes", Value::Null).await;
        let seen = list.expect(200)["pagination"]["total_results"] == 1;
        let may = role.starts_with("space") || *role == "organization_manager";
        assert_eq!(seen, may, "{role}");
    }
}

#[tokio::test]
async fn a_suspended_organization_is_looked_at_only() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let (user, token) = platform.user("ann").await;
    platform.role("organization_manager", &user, &org).await;
    platform.role("space_manager", &user, &space).await;
    let path = format!("/v3/organizations/{org}");
    let patch = json!({ "suspended": true });
    platform
        .call(&token, "PATCH", &path, patch.clone())
        .await
        .expect(403);
    platform
        .call(&platform.admin, "PATCH", &path, patch)
        .await
        .expect(200);
    let space_path = format!("/v3/spaces/{space}");
    platform
        .call(&token, "GET", &space_path, Value::Null)
        .await
        .expect(200);
    let patch = json!({ "name": "renamed" });
    for path in [&path, &space_path] {
        let answer = platform.call(&token, "PATCH", path, patch.clone()).await;
        assert_eq!(answer.refusal(403), "The organization is suspended");
    }
    platform
        .call(&token, "DELETE", &space_path, Value::Null)
        .await
        .expect(403);
    platform
        .call(&platform.admin, "PATCH", &space_path, patch)
        .await
        .expect(200);
}
