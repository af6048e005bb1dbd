//! User-provided service instances and their bindings: who may see and change them, what bound
//! apps find, and that credentials are nowhere else.

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::{Value, json};

use super::harness::{Platform, all, guid, to_one};

const SECRET: &str = "s3cret-of-the-database";

fn database() -> Value {
    json!({ "uri": format!("postgres://u:{SECRET}@db.lan:5432/x"), "deep": { "n": 1 } })
}

async fn make(platform: &Platform, name: &str, space: &str) -> String {
    let body = json!({
        "type": "user-provided", "name": name, "credentials": database(), "tags": ["sql"],
        "syslog_drain_url": "syslog-tls://logs.example.kr:6514",
        "relationships": { "space": to_one(space) },
    });
    guid(&platform.make("/v3/service_instances", body).await)
}

fn binding(service: &str, app: &str) -> Value {
    json!({ "type": "app", "relationships": {
        "service_instance": to_one(service), "app": to_one(app),
    } })
}

const BINDINGS: &str = "/v3/service_credential_bindings";

#[tokio::test]
async fn a_bound_app_finds_the_service_and_nothing_else_tells_its_secret() {
    let platform = Platform::start().await;
    let (_, space) = platform.home().await;
    let app = platform.app("shop", &space).await;
    let service = make(&platform, "orders", &space).await;
    let path = format!("/v3/service_instances/{service}");
    let mut body = binding(&service, &app);
    body["name"] = json!("db");
    let bound = guid(&platform.make(BINDINGS, body).await);
    let env = platform.get(&format!("/v3/apps/{app}/env")).await;
    assert_eq!(
        env["system_env_json"]["VCAP_SERVICES"],
        json!({ "user-provided": [{
            "label": "user-provided",
            "name": "db",
            "tags": ["sql"],
            "instance_guid": service,
            "instance_name": "orders",
            "binding_guid": bound,
            "binding_name": "db",
            "credentials": database(),
            "syslog_drain_url": "syslog-tls://logs.example.kr:6514",
            "volume_mounts": [],
        }] })
    );
    let details = platform.get(&format!("{BINDINGS}/{bound}/details")).await;
    assert_eq!(details["credentials"], database());
    assert_eq!(
        platform.get(&format!("{path}/credentials")).await,
        database()
    );
    for path in [
        "/v3/service_instances".to_owned(),
        path.clone(),
        format!("{BINDINGS}?include=app,service_instance"),
        format!("{BINDINGS}/{bound}"),
        format!("/v3/apps/{app}"),
        "/v3/audit_events?per_page=500".to_owned(),
    ] {
        let document = platform.get(&path).await.to_string();
        assert!(!document.contains(SECRET), "{path}: {document}");
    }
    // A change reaches what is bound, and deleting the service ends the bindings.
    let patch = json!({ "credentials": { "a": 1 }, "name": "renamed", "syslog_drain_url": "" });
    let changed = platform.call(&platform.admin, "PATCH", &path, patch).await;
    let changed = changed.expect(200);
    assert_eq!(
        (&changed["name"], &changed["syslog_drain_url"]),
        (&json!("renamed"), &Value::Null)
    );
    assert_eq!(changed["last_operation"]["type"], "update");
    let env = platform.get(&format!("/v3/apps/{app}/env")).await;
    let found = &env["system_env_json"]["VCAP_SERVICES"]["user-provided"][0];
    assert_eq!(
        (&found["credentials"], &found["instance_name"]),
        (&json!({ "a": 1 }), &json!("renamed"))
    );
    let gone = platform.call(&platform.admin, "DELETE", &path, Value::Null);
    gone.await.expect(204);
    assert_eq!(platform.get(BINDINGS).await["resources"], json!([]));
    let env = platform.get(&format!("/v3/apps/{app}/env")).await;
    assert_eq!(env["system_env_json"]["VCAP_SERVICES"], json!({}));
    let events = platform
        .get(&format!("/v3/audit_events?target_guids={service},{bound}"))
        .await;
    let mut kinds = all(&events, "type");
    kinds.sort();
    assert_eq!(
        kinds,
        [
            "audit.service_binding.create",
            "audit.service_binding.delete",
            "audit.service_binding.show",
            "audit.user_provided_service_instance.create",
            "audit.user_provided_service_instance.delete",
            "audit.user_provided_service_instance.show",
            "audit.user_provided_service_instance.update",
        ]
    );
}

#[tokio::test]
async fn each_role_may_do_what_cloud_foundry_lets_it() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let app = platform.app("shop", &space).await;
    let service = make(&platform, "orders", &space).await;
    let bound = guid(&platform.make(BINDINGS, binding(&service, &app)).await);
    let path = format!("/v3/service_instances/{service}");
    let one = format!("{BINDINGS}/{bound}");
    let create = json!({ "type": "user-provided", "name": "orders",
        "relationships": { "space": to_one(&space) } });
    let again = binding(&service, &app);
    let label = json!({ "metadata": { "labels": { "a": "b" } } });
    let none = Value::Null;
    let credentials = format!("{path}/credentials");
    let details = format!("{one}/details");
    // nobody, manager | developer, auditor, manager, supporter; 422 is what the allowed get
    // where the request itself is made to fail.
    let roles = [
        "nobody",
        "organization_manager",
        "space_developer",
        "space_auditor",
        "space_manager",
        "space_supporter",
    ];
    let table: [(&str, &str, &Value, [u16; 6]); 9] = [
        ("GET", &path, &none, [404, 200, 200, 200, 200, 200]),
        ("GET", &one, &none, [404, 200, 200, 200, 200, 200]),
        ("GET", &credentials, &none, [404, 403, 200, 403, 403, 403]),
        ("GET", &details, &none, [404, 404, 200, 404, 404, 404]),
        (
            "POST",
            "/v3/service_instances",
            &create,
            [422, 403, 422, 403, 403, 403],
        ),
        ("POST", BINDINGS, &again, [422, 403, 422, 403, 403, 422]),
        ("PATCH", &path, &label, [404, 403, 200, 403, 403, 403]),
        ("PATCH", &one, &label, [404, 403, 200, 403, 403, 403]),
        ("DELETE", &path, &none, [404, 403, 0, 403, 403, 403]),
    ];
    for (at, role) in roles.into_iter().enumerate() {
        let (user, token) = platform.user(role).await;
        if role != "nobody" {
            platform.role("organization_user", &user, &org).await;
            let place = if role.starts_with("space") {
                &space
            } else {
                &org
            };
            platform.role(role, &user, place).await;
        }
        for (method, path, body, expected) in &table {
            if expected[at] == 0 {
                continue;
            }
            let answer = platform.call(&token, method, path, (*body).clone()).await;
            let text = &answer.json;
            assert_eq!(
                answer.status, expected[at],
                "{role}: {method} {path}: {text}"
            );
        }
        let list = platform.call(&token, "GET", BINDINGS, Value::Null).await;
        let seen = list.expect(200)["pagination"]["total_results"] == 1;
        assert_eq!(seen, role != "nobody", "{role}");
        let list = platform
            .call(&token, "GET", "/v3/service_instances", Value::Null)
            .await;
        let seen = list.expect(200)["pagination"]["total_results"] == 1;
        assert_eq!(seen, role != "nobody", "{role}");
    }
}

#[tokio::test]
async fn only_an_admins_word_opens_a_services_address() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let app = platform.app("shop", &space).await;
    let (user, token) = platform.user("dev").await;
    platform.role("organization_user", &user, &org).await;
    platform.role("space_developer", &user, &space).await;
    let vouched = async |service: &str| {
        let state = platform.store.state();
        let id: pastina::model::ServiceId = service.parse().unwrap();
        state.services[&id].vouched
    };
    let service = make(&platform, "orders", &space).await;
    assert!(vouched(&service).await);
    let path = format!("/v3/service_instances/{service}");
    let call = async |token: &str, method, path: &str, body: Value| {
        platform.call(token, method, path, body).await
    };
    let bound = call(&token, "POST", BINDINGS, binding(&service, &app)).await;
    assert!(!bound.headers.contains_key("x-cf-warnings"));
    let bound = guid(&bound.expect(201));
    call(
        &token,
        "DELETE",
        &format!("{BINDINGS}/{bound}"),
        Value::Null,
    )
    .await
    .expect(204);
    // Whoever changes what is not an address takes nothing away; whoever changes that, does.
    call(&token, "PATCH", &path, json!({ "tags": ["x"] }))
        .await
        .expect(200);
    assert!(vouched(&service).await);
    let patch = json!({ "credentials": { "uri": "http://127.0.0.1:80" } });
    call(&token, "PATCH", &path, patch).await.expect(200);
    assert!(!vouched(&service).await);
    let bound = call(&token, "POST", BINDINGS, binding(&service, &app)).await;
    let warning = bound.headers["x-cf-warnings"].to_str().unwrap().to_owned();
    assert!(warning.contains("does%20not%20open"), "{warning}");
    bound.expect(201);
}

#[tokio::test]
async fn lists_are_narrowed_and_bad_input_is_refused_in_words() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let body = json!({ "name": "other", "relationships": { "organization": to_one(&org) } });
    let other = guid(&platform.make("/v3/spaces", body).await);
    let app = platform.app("shop", &space).await;
    let service = make(&platform, "orders", &space).await;
    let far = make(&platform, "orders", &other).await;
    platform.make(BINDINGS, binding(&service, &app)).await;
    for (path, expected) in [
        (
            format!("/v3/service_instances?names=ORDERS&space_guids={space}"),
            1,
        ),
        ("/v3/service_instances?type=managed".to_owned(), 0),
        (
            "/v3/service_instances?type=user-provided&service_plan_names=x".to_owned(),
            0,
        ),
        (
            format!("/v3/service_instances?organization_guids={org}&order_by=name"),
            2,
        ),
        (
            format!("{BINDINGS}?type=app&app_guids={app}&service_instance_guids={service}"),
            1,
        ),
        (format!("{BINDINGS}?type=key"), 0),
        (
            format!("{BINDINGS}?app_names=shop&service_instance_names=orders"),
            1,
        ),
        (format!("{BINDINGS}?names=x"), 0),
    ] {
        let list = platform.get(&path).await;
        assert_eq!(list["pagination"]["total_results"], expected, "{path}");
    }
    let fields = "fields%5Bspace%5D=name,guid&fields%5Bspace.organization%5D=name,guid";
    let shown = platform
        .get(&format!("/v3/service_instances/{service}?{fields}"))
        .await;
    assert_eq!(shown["included"]["spaces"][0]["name"], "dev");
    assert_eq!(shown["included"]["organizations"][0]["name"], "dev");
    let call = async |method, path: &str, body: Value| {
        platform.call(&platform.admin, method, path, body).await
    };
    let new = |more: Value| {
        let mut body = json!({ "type": "user-provided", "name": "x",
            "relationships": { "space": to_one(&space) } });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    let mut deep = json!(1);
    for _ in 0..60 {
        deep = json!({ "a": deep });
    }
    let gone = "00000000-0000-4000-8000-000000000000";
    for (more, part) in [
        (
            json!({ "name": "Orders" }),
            "The service instance name is taken: Orders.",
        ),
        (json!({ "name": "" }), "blank"),
        (json!({ "type": "managed" }), "Service plan can't be blank"),
        (json!({ "type": "x" }), "Type must be one of"),
        (json!({ "credentials": deep }), "in each other"),
        (json!({ "credentials": [] }), "invalid type"),
        (
            json!({ "credentials": { "a": "x".repeat(70_000) } }),
            "at most",
        ),
        (json!({ "route_service_url": "http://x" }), "https"),
        (json!({ "parameters": {} }), "parameters"),
        (
            json!({ "relationships": { "space": to_one(gone) } }),
            "Invalid space",
        ),
    ] {
        let text = call("POST", "/v3/service_instances", new(more))
            .await
            .refusal(422);
        assert!(text.contains(part), "{text}");
    }
    for (body, part) in [
        (
            binding(&service, &app),
            "The app is already bound to the service instance",
        ),
        (binding(&far, &app), "are in different spaces"),
        (
            binding(gone, &app),
            "The service instance could not be found",
        ),
        (binding(&service, gone), "The app could not be found"),
        (
            json!({ "type": "key", "name": "k", "relationships": {
            "service_instance": to_one(&service) } }),
            "type 'key' are not supported",
        ),
        (
            json!({ "type": "app", "relationships": {
            "service_instance": to_one(&service) } }),
            "No app was specified",
        ),
    ] {
        let text = call("POST", BINDINGS, body).await.refusal(422);
        assert!(text.contains(part), "{text}");
    }
    let mut named = binding(&service, &app);
    named["name"] = json!("a b");
    let text = call("POST", BINDINGS, named).await.refusal(422);
    assert!(text.contains("The binding name is invalid"), "{text}");
    // What an app could not be started with is not bound.
    for name in ["big-1", "big-2"] {
        let body = new(json!({ "name": name, "credentials": { "a": "x".repeat(64_000) } }));
        let big = guid(&platform.make("/v3/service_instances", body).await);
        let answer = call("POST", BINDINGS, binding(&big, &app)).await;
        if name == "big-2" {
            assert!(answer.refusal(422).contains("VCAP_SERVICES"));
        } else {
            answer.expect(201);
        }
    }
    let path = format!("/v3/service_instances/{service}/parameters");
    let text = call("GET", &path, Value::Null).await.refusal(400);
    assert!(text.contains("does not support"), "{text}");
}

#[tokio::test]
async fn a_manifest_binds_what_it_names_and_ends_no_binding() {
    let platform = Platform::start().await;
    let (_, space) = platform.home().await;
    make(&platform, "orders", &space).await;
    make(&platform, "cache", &space).await;
    let apply = async |services: &str| {
        let yaml = format!("applications: [{{name: shop, services: {services}}}]");
        let path = format!("/v3/spaces/{space}/actions/apply_manifest");
        let request = Request::post(path)
            .header(header::HOST, "api.apps.test")
            .header(header::AUTHORIZATION, format!("bearer {}", platform.admin))
            .header(header::CONTENT_TYPE, "application/x-yaml")
            .body(Body::from(yaml))
            .unwrap();
        platform.send(request).await
    };
    apply("[orders, {name: cache, binding_name: fast}]")
        .await
        .expect(202);
    apply("[{name: orders, parameters: {a: 1}}]")
        .await
        .expect(202);
    let list = platform.get(&format!("{BINDINGS}?order_by=name")).await;
    assert_eq!(all(&list, "name"), ["", "fast"]);
    make(&platform, "third", &space).await;
    for (services, part) in [
        ("[none]", "Service instance 'none' not found"),
        (
            "[{name: third, binding_name: 'a b'}]",
            "The binding name is invalid",
        ),
        (
            "[{name: third, binding_name: fast}]",
            "App binding names must be unique",
        ),
        (
            "[{name: third, parameters: {a: 1}}]",
            "parameters are not supported",
        ),
        ("[{name: third, binding_name: [x]}]", "'services' must be"),
    ] {
        let text = apply(services).await.refusal(422);
        assert!(text.contains(part), "{text}");
    }
}
