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
    let private =
        json!({ "name": "private.test", "relationships": { "organization": to_one(&org) } });
    let private = guid(&platform.make("/v3/domains", private).await);
    let domain_path = format!("/v3/domains/{private}");
    let share = json!({ "data": [{ "guid": org }] });
    let no_segment = json!({ "data": null });
    let none = Value::Null;
    // 422 is what the allowed get where the request itself is made to fail.
    // nobody, user, auditor, manager, billing | developer, auditor, manager, supporter
    let table: [(&str, &str, &Value, [u16; 9]); 18] = [
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
            [404, 404, 200, 200, 404, 200, 200, 200, 200],
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
            [404, 404, 403, 403, 404, 200, 403, 403, 200],
        ),
        (
            "GET",
            &format!("{route_path}/destinations"),
            &none,
            [404, 404, 200, 200, 404, 200, 200, 200, 200],
        ),
        (
            "GET",
            &domain_path,
            &none,
            [404, 404, 200, 200, 404, 200, 200, 200, 200],
        ),
        (
            "PATCH",
            &domain_path,
            &rename,
            [404, 404, 403, 200, 404, 403, 403, 403, 403],
        ),
        (
            "POST",
            &format!("{domain_path}/relationships/shared_organizations"),
            &share,
            [404, 404, 403, 422, 404, 403, 403, 403, 403],
        ),
        (
            "PATCH",
            &format!("{space_path}/relationships/isolation_segment"),
            &no_segment,
            [404, 404, 404, 200, 404, 403, 403, 403, 403],
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
        let org_roles = ["organization_manager", "organization_auditor"];
        let may = role.starts_with("space") || org_roles.contains(role);
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

#[tokio::test]
async fn a_private_domain_is_shared_by_who_manages_both_sides() {
    let platform = Platform::start().await;
    let (home, _) = platform.home().await;
    let org = async |name: &str| {
        guid(
            &platform
                .make("/v3/organizations", json!({ "name": name }))
                .await,
        )
    };
    let (other, third) = (org("other").await, org("third").await);
    let body =
        json!({ "name": "private.test", "relationships": { "organization": to_one(&home) } });
    let domain = guid(&platform.make("/v3/domains", body).await);
    let (ann_id, ann) = platform.user("ann").await;
    let (ben_id, ben) = platform.user("ben").await;
    platform.role("organization_manager", &ann_id, &home).await;
    platform.role("organization_user", &ann_id, &other).await;
    platform.role("organization_manager", &ben_id, &other).await;
    let path = format!("/v3/domains/{domain}");
    let shared = format!("{path}/relationships/shared_organizations");
    let share = async |token: &str, org: &str| {
        let body = json!({ "data": [{ "guid": org }] });
        platform.call(token, "POST", &shared, body).await
    };

    // One whom the manager cannot see, and one whom she sees and does not manage.
    assert!(
        share(&ann, &third)
            .await
            .refusal(422)
            .contains("does not exist, or you do not")
    );
    assert!(
        share(&ann, &other)
            .await
            .refusal(422)
            .contains("sufficient permissions")
    );
    platform.role("organization_manager", &ann_id, &other).await;
    share(&ann, &other).await.expect(200);
    share(&platform.admin, &third).await.expect(200);

    // Each side sees the domain, and of the others only those whom they know.
    let seen = async |token: &str| {
        let domain = platform
            .call(token, "GET", &path, Value::Null)
            .await
            .expect(200);
        let with = &domain["relationships"]["shared_organizations"]["data"];
        let mut with: Vec<String> = with.as_array().unwrap().iter().map(guid).collect();
        with.sort();
        with
    };
    let mut both = vec![other.clone(), third.clone()];
    both.sort();
    assert_eq!(seen(&platform.admin).await, both);
    assert_eq!(seen(&ann).await, std::slice::from_ref(&other));
    assert_eq!(seen(&ben).await, std::slice::from_ref(&other));

    // Who got it may give it back, and has no say about others.
    let give_back = async |token: &str, org: &str| {
        let path = format!("{shared}/{org}");
        platform
            .call(token, "DELETE", &path, Value::Null)
            .await
            .status
    };
    assert_eq!(give_back(&ben, &third).await, 403);
    assert_eq!(give_back(&ben, &other).await, 204);
    assert_eq!(give_back(&ben, &other).await, 404);
    assert_eq!(give_back(&ann, &third).await, 204);
}

#[tokio::test]
async fn who_manages_a_space_learns_of_no_user_outside() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let (ann_id, ann) = platform.user("ann").await;
    platform.role("organization_user", &ann_id, &org).await;
    platform.role("space_manager", &ann_id, &space).await;
    let (eve, eves) = platform.user("eve").await;
    let give = async |user: Value| {
        let body = json!({ "type": "space_developer", "relationships": {
            "user": { "data": user }, "space": to_one(&space) } });
        platform.call(&ann, "POST", "/v3/roles", body).await
    };
    let nobody = "00000000-0000-4000-8000-0000000000ff";
    for user in [
        json!({ "guid": eve }),
        json!({ "guid": nobody }),
        json!({ "username": "eve" }),
        json!({ "username": "nobody-of-this-name" }),
        json!({ "username": "nobody-of-this-name", "origin": "uaa" }),
    ] {
        let refusal = give(user).await.refusal(422);
        assert!(
            refusal.starts_with("Users cannot be assigned roles in a space"),
            "{refusal}"
        );
    }
    platform.role("organization_user", &eve, &org).await;
    give(json!({ "username": "eve" })).await.expect(201);

    // Roles are seen where one is, and taken by who manages; a stranger sees none.
    let (_, stranger) = platform.user("stranger").await;
    let list = async |token: &str| {
        let answer = platform.call(token, "GET", "/v3/roles", Value::Null).await;
        answer.expect(200)["pagination"]["total_results"].clone()
    };
    assert_eq!(list(&stranger).await, 0);
    assert_eq!(list(&ann).await, list(&eves).await);
    let roles = platform
        .get(&format!(
            "/v3/roles?user_guids={ann_id}&types=space_manager"
        ))
        .await;
    let path = format!("/v3/roles/{}", guid(&roles["resources"][0]));
    platform
        .call(&stranger, "DELETE", &path, Value::Null)
        .await
        .expect(404);
    platform
        .call(&eves, "DELETE", &path, Value::Null)
        .await
        .expect(403);
    platform
        .call(&ann, "DELETE", &path, Value::Null)
        .await
        .expect(202);
    platform
        .call(&ann, "GET", &path, Value::Null)
        .await
        .expect(404);
}
