//! Quotas: what they limit, who may set them, and what is said where something does not fit.

use pastina::{
    model::{
        AppId, Droplet, DropletId, DropletKind, DropletState, Metadata, ProcessType, Timestamp,
    },
    store::StoreError,
};
use serde_json::{Value, json};

use super::harness::{Answer, Platform, all, guid, to_one};

async fn quota(platform: &Platform, body: Value, org: &str) -> String {
    let made = platform.make("/v3/organization_quotas", body).await;
    let path = format!(
        "/v3/organization_quotas/{}/relationships/organizations",
        guid(&made)
    );
    let body = json!({ "data": [{ "guid": org }] });
    let answer = platform.call(&platform.admin, "POST", &path, body).await;
    assert_eq!(answer.expect(200)["data"][0]["guid"], org);
    guid(&made)
}

async fn space_quota(platform: &Platform, mut body: Value, org: &str, space: &str) -> String {
    body["relationships"] = json!({
        "organization": to_one(org),
        "spaces": { "data": [{ "guid": space }] },
    });
    let made = platform.make("/v3/space_quotas", body).await;
    assert_eq!(made["relationships"]["spaces"]["data"][0]["guid"], space);
    guid(&made)
}

/// An app with a droplet, through the API; its guid.
async fn app(platform: &Platform, name: &str, space: &str) -> String {
    let body = json!({ "name": name, "relationships": { "space": to_one(space) } });
    let made = guid(&platform.make("/v3/apps", body).await);
    let id: AppId = made.parse().unwrap();
    let now = Timestamp::from_millis(1);
    let droplet = Droplet {
        id: DropletId::random(),
        app: id,
        package: None,
        build: None,
        state: DropletState::Expired,
        kind: DropletKind::Process,
        process_types: [(ProcessType::web(), "./web".to_owned())].into(),
        env: std::collections::BTreeMap::new(),
        static_root: String::new(),
        launch: None,
        buildpacks: Vec::new(),
        stack: "cflinuxfs4".to_owned(),
        image: None,
        metadata: Metadata::default(),
        created_at: now,
        updated_at: now,
    };
    platform
        .store
        .commit(move |tx| {
            let mut app = pastina::model::App::clone(&tx.apps[&id]);
            app.current_droplet = Some(droplet.id);
            tx.put(droplet);
            tx.put(app);
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    made
}

async fn start(platform: &Platform, app: &str) -> Answer {
    let path = format!("/v3/apps/{app}/actions/start");
    platform
        .call(&platform.admin, "POST", &path, Value::Null)
        .await
}

async fn scale(platform: &Platform, app: &str, body: Value) -> Answer {
    let path = format!("/v3/apps/{app}/processes/web/actions/scale");
    platform.call(&platform.admin, "POST", &path, body).await
}

#[tokio::test]
async fn what_runs_keeps_within_memory_and_instances() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let body = json!({ "name": "small", "apps": {
        "total_memory_in_mb": 512, "per_process_memory_in_mb": 256, "total_instances": 3,
    } });
    let id = quota(&platform, body, &org).await;
    let (one, two) = (
        app(&platform, "one", &space).await,
        app(&platform, "two", &space).await,
    );

    // What does not run uses nothing.
    scale(&platform, &one, json!({ "memory_in_mb": 2048 }))
        .await
        .expect(202);
    let refused = start(&platform, &one).await.refusal(422);
    assert!(refused.contains("memory quota_exceeded"), "{refused}");
    assert!(
        refused.contains("memory instance_memory_limit_exceeded"),
        "{refused}"
    );
    scale(&platform, &one, json!({ "memory_in_mb": 256 }))
        .await
        .expect(202);
    start(&platform, &one).await.expect(200);
    scale(&platform, &one, json!({ "instances": 2 }))
        .await
        .expect(202);
    let refused = start(&platform, &two).await.refusal(422);
    assert_eq!(refused, "memory quota_exceeded");
    let refused = scale(
        &platform,
        &one,
        json!({ "memory_in_mb": 64, "instances": 4 }),
    )
    .await;
    assert_eq!(
        refused.refusal(422),
        "app_instance_limit app_instance_limit_exceeded"
    );
    let usage = platform
        .get(&format!("/v3/organizations/{org}/usage_summary"))
        .await;
    assert_eq!(usage["usage_summary"]["memory_in_mb"], 512);
    assert_eq!(usage["usage_summary"]["started_instances"], 2);
    let all = platform.get("/v3/info/usage_summary").await;
    assert_eq!(all["usage_summary"], usage["usage_summary"]);
    let usage = platform
        .get(&format!("/v3/spaces/{space}/usage_summary"))
        .await;
    assert_eq!(usage["usage_summary"]["memory_in_mb"], 512);

    // A quota that came later takes nothing away, and less is always right.
    let path = format!("/v3/organization_quotas/{id}");
    let body = json!({ "apps": { "total_memory_in_mb": 100 } });
    platform
        .call(&platform.admin, "PATCH", &path, body)
        .await
        .expect(200);
    scale(&platform, &one, json!({ "memory_in_mb": 128 }))
        .await
        .expect(202);
    let refused = scale(&platform, &one, json!({ "memory_in_mb": 129 })).await;
    assert_eq!(refused.refusal(422), "memory quota_exceeded");
    let body = json!({ "apps": { "total_memory_in_mb": null } });
    let changed = platform
        .call(&platform.admin, "PATCH", &path, body)
        .await
        .expect(200);
    assert_eq!(changed["apps"]["total_memory_in_mb"], Value::Null);
    assert_eq!(changed["apps"]["total_instances"], 3);
    start(&platform, &two).await.expect(200);
}

#[tokio::test]
async fn a_space_keeps_within_its_own() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let body = json!({ "name": "student", "apps": {
        "total_memory_in_mb": 256, "per_process_memory_in_mb": 200, "total_instances": 1,
        "log_rate_limit_in_bytes_per_second": 1000,
    }, "routes": { "total_routes": 1 } });
    let id = space_quota(&platform, body, &org, &space).await;
    let one = app(&platform, "one", &space).await;
    let refused = start(&platform, &one).await.refusal(422);
    assert_eq!(
        refused,
        "log_rate_limit cannot be unlimited in space 'dev'., memory \
         space_instance_memory_limit_exceeded"
    );
    let body = json!({ "log_rate_limit_in_bytes_per_second": 1001, "memory_in_mb": 100 });
    scale(&platform, &one, body).await.expect(202);
    assert_eq!(
        start(&platform, &one).await.refusal(422),
        "log_rate_limit exceeds space log rate quota"
    );
    let body = json!({ "log_rate_limit_in_bytes_per_second": 500 });
    scale(&platform, &one, body).await.expect(202);
    start(&platform, &one).await.expect(200);
    let refused = scale(&platform, &one, json!({ "instances": 3 }))
        .await
        .refusal(422);
    assert_eq!(
        refused,
        "memory space_quota_exceeded, app_instance_limit \
         space_app_instance_limit_exceeded, log_rate_limit exceeds space log rate quota"
    );

    // The manifest does not slip past.
    let manifest = "applications:\n- name: one\n  instances: 2\n  default-route: true\n";
    let path = format!("/v3/spaces/{space}/actions/apply_manifest");
    let request = axum::http::Request::post(&path)
        .header("host", "api.apps.test")
        .header("authorization", format!("bearer {}", platform.admin))
        .header("content-type", "application/x-yaml")
        .body(axum::body::Body::from(manifest))
        .unwrap();
    let refused = platform.send(request).await.refusal(422);
    assert!(
        refused.starts_with("For application 'one': app_instance_limit space_app"),
        "{refused}"
    );

    let domains = platform.get("/v3/domains?names=apps.test").await;
    let domain = guid(&domains["resources"][0]);
    let route = async |host: &str| {
        let relationships = json!({ "space": to_one(&space), "domain": to_one(&domain) });
        let body = json!({ "host": host, "relationships": relationships });
        platform
            .call(&platform.admin, "POST", "/v3/routes", body)
            .await
    };
    route("a").await.expect(201);
    assert_eq!(
        route("b").await.refusal(422),
        "Routes quota exceeded for space 'dev'."
    );

    let shown = platform.get(&format!("/v3/spaces/{space}")).await;
    assert_eq!(shown["relationships"]["quota"]["data"]["guid"], id);
    let path = format!("/v3/space_quotas/{id}");
    let answer = platform
        .call(&platform.admin, "DELETE", &path, Value::Null)
        .await;
    assert!(
        answer
            .refusal(422)
            .contains("applied to one or more spaces")
    );
    let applied = format!("{path}/relationships/spaces/{space}");
    let remove = async || {
        platform
            .call(&platform.admin, "DELETE", &applied, Value::Null)
            .await
    };
    remove().await.expect(204);
    assert!(
        remove()
            .await
            .refusal(422)
            .starts_with("Unable to remove quota from space")
    );
    scale(&platform, &one, json!({ "instances": 2 }))
        .await
        .expect(202);
    platform.delete(&path).await;
    let kinds = platform
        .get(&format!("/v3/audit_events?target_guids={id}"))
        .await;
    assert_eq!(
        all(&kinds, "type"),
        ["create", "apply", "remove", "delete"].map(|what| format!("audit.space_quota.{what}"))
    );
}

#[tokio::test]
async fn domains_routes_and_builds_count() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let body = json!({
        "name": "small",
        "routes": { "total_routes": 0 },
        "domains": { "total_domains": 1 },
    });
    quota(&platform, body, &org).await;
    let domain = async |name: &str| {
        let body = json!({ "name": name, "relationships": { "organization": to_one(&org) } });
        platform
            .call(&platform.admin, "POST", "/v3/domains", body)
            .await
    };
    let made = guid(&domain("a.test").await.expect(201));
    assert_eq!(
        domain("b.test").await.refusal(422),
        "The number of private domains exceeds the quota for organization \"dev\""
    );
    let relationships = json!({ "space": to_one(&space), "domain": to_one(&made) });
    let body = json!({ "host": "x", "relationships": relationships });
    let answer = platform
        .call(&platform.admin, "POST", "/v3/routes", body)
        .await;
    assert_eq!(
        answer.refusal(422),
        "Routes quota exceeded for organization 'dev'."
    );
}

#[tokio::test]
async fn who_may_see_and_set_quotas() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let (manager, of_manager) = platform.user("manager").await;
    platform.role("organization_manager", &manager, &org).await;
    let (developer, of_developer) = platform.user("developer").await;
    platform.role("organization_user", &developer, &org).await;
    platform.role("space_developer", &developer, &space).await;
    let (_, of_stranger) = platform.user("stranger").await;

    let body = json!({ "name": "x" });
    for token in [&of_manager, &of_developer, &of_stranger] {
        let answer = platform
            .call(token, "POST", "/v3/organization_quotas", body.clone())
            .await;
        assert_eq!(answer.json["errors"][0]["code"], 10003);
        answer.refusal(403);
    }
    let mut body = json!({ "name": "s", "relationships": { "organization": to_one(&org) } });
    for (token, status) in [
        (&of_developer, 403),
        (&of_stranger, 422),
        (&of_manager, 201),
    ] {
        let answer = platform
            .call(token, "POST", "/v3/space_quotas", body.clone())
            .await;
        assert_eq!(answer.status, status, "{}", answer.json);
    }
    body["name"] = json!("S");
    let answer = platform
        .call(&of_manager, "POST", "/v3/space_quotas", body.clone())
        .await;
    assert_eq!(answer.refusal(422), "Space Quota 'S' already exists.");
    let list = async |token: &str, path: &str| {
        all(
            &platform
                .call(token, "GET", path, Value::Null)
                .await
                .expect(200),
            "name",
        )
    };
    assert_eq!(list(&of_manager, "/v3/space_quotas").await, ["s"]);
    assert!(list(&of_developer, "/v3/space_quotas").await.is_empty());
    let quota = platform.get("/v3/space_quotas?names=s").await;
    let quota = guid(&quota["resources"][0]);
    let path = format!("/v3/space_quotas/{quota}");
    for (method, body) in [
        ("GET", Value::Null),
        ("PATCH", json!({})),
        ("DELETE", Value::Null),
    ] {
        let answer = platform.call(&of_developer, method, &path, body).await;
        assert_eq!(answer.refusal(404), "Space quota not found");
    }
    let spaces = format!("{path}/relationships/spaces");
    let body = json!({ "data": [{ "guid": space }] });
    platform
        .call(&of_manager, "POST", &spaces, body)
        .await
        .expect(200);
    assert_eq!(list(&of_developer, "/v3/space_quotas").await, ["s"]);
    for (method, body) in [("PATCH", json!({})), ("DELETE", Value::Null)] {
        platform
            .call(&of_developer, method, &path, body)
            .await
            .refusal(403);
    }
    assert_eq!(list(&of_stranger, "/v3/organization_quotas").await, [""; 0]);
    assert_eq!(
        list(&of_developer, "/v3/organization_quotas").await,
        ["default"]
    );
    let filtered = format!("/v3/organization_quotas?organization_guids={org}");
    assert_eq!(list(&of_developer, &filtered).await, ["default"]);
    let answer = platform
        .call(
            &platform.admin,
            "DELETE",
            "/v3/organization_quotas/00000000-0000-4000-8000-000000000001",
            Value::Null,
        )
        .await;
    assert!(
        answer
            .refusal(422)
            .contains("applied to one or more organizations")
    );
}

#[tokio::test]
async fn bad_quotas_are_refused_in_words() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let check = async |path: &str, body: Value, words: &str| {
        let answer = platform.call(&platform.admin, "POST", path, body).await;
        let refused = answer.refusal(422);
        assert!(refused.contains(words), "{refused}");
    };
    let path = "/v3/organization_quotas";
    check(path, json!({ "name": "" }), "name can't be blank").await;
    check(
        path,
        json!({ "name": "x".repeat(251) }),
        "too long (maximum is 250",
    )
    .await;
    check(
        path,
        json!({ "name": "DEFAULT" }),
        "Organization Quota 'DEFAULT' already exists.",
    )
    .await;
    check(path, json!({}), "missing field `name`").await;
    check(
        path,
        json!({ "name": "a", "colour": 1 }),
        "unknown field `colour`",
    )
    .await;
    check(
        path,
        json!({ "name": "a", "apps": { "x": 1 } }),
        "unknown field `x`",
    )
    .await;
    check(
        path,
        json!({ "name": "a", "apps": { "total_instances": "1" } }),
        "apps.total_instances",
    )
    .await;
    check(
        path,
        json!({ "name": "a", "apps": { "total_instances": -1 } }),
        "Apps Total instances must be greater than or equal to 0",
    )
    .await;
    let nobody = json!({ "organizations": { "data": [{ "guid": "nobody" }] } });
    check(
        path,
        json!({ "name": "a", "relationships": nobody }),
        "Organizations with guids [\"nobody\"] do not exist, or you do not have access to them.",
    )
    .await;
    let body = json!({ "name": "lab" });
    let other = guid(&platform.make("/v3/organizations", body).await);
    let relationships = json!({
        "organization": to_one(&other), "spaces": { "data": [{ "guid": space }] },
    });
    check(
        "/v3/space_quotas",
        json!({ "name": "a", "relationships": relationships }),
        "Space quotas cannot be applied outside of their owning organization.",
    )
    .await;

    // Logs without a limit do not fit under one.
    let open = app(&platform, "open", &space).await;
    start(&platform, &open).await.expect(200);
    let limited = json!({ "apps": { "log_rate_limit_in_bytes_per_second": 5 } });
    let mut body = limited.clone();
    body["name"] = json!("quiet");
    let quiet = guid(&platform.make(path, body).await);
    let apply = format!("{path}/{quiet}/relationships/organizations");
    check(
        &apply,
        json!({ "data": [{ "guid": org }] }),
        "unlimited log rate limit",
    )
    .await;
    let default = format!("{path}/00000000-0000-4000-8000-000000000001");
    let answer = platform
        .call(&platform.admin, "PATCH", &default, limited)
        .await;
    assert_eq!(
        answer.refusal(422),
        "Current usage exceeds new quota values. This quota is applied to org 'dev' which \
         contains apps running with an unlimited log rate limit."
    );
}
