//! Discovery, errors, and what surrounds requests.

use axum::{
    body::Body,
    http::{Request, header},
};
use pastina::api::Tls;
use serde_json::{Value, json};

use super::harness::Platform;

#[tokio::test]
async fn every_link_follows_the_address_that_the_client_used() {
    let platform = Platform::start().await;
    for (tls, host, base) in [
        (false, "127.0.0.1:8080", "http://127.0.0.1:8080"),
        (true, "api.apps.test", "https://api.apps.test"),
    ] {
        for path in ["/", "/v3", "/v3/", "/v3/info", "/login"] {
            let mut request = Request::get(path)
                .header(header::HOST, host)
                .body(Body::empty())
                .unwrap();
            request.extensions_mut().insert(Tls(tls));
            let document = platform.send(request).await.expect(200);
            let text = document.to_string();
            assert!(text.contains(base), "{path}: {text}");
        }
    }
    let root = platform.get("/").await;
    let version = &root["links"]["cloud_controller_v3"]["meta"]["version"];
    assert_eq!(version, "3.211.0");
    let prompts = platform.get("/login").await;
    assert_eq!(prompts["prompts"]["password"][0], "password");
}

#[tokio::test]
async fn what_is_not_there_is_told_in_cloud_foundrys_words() {
    let platform = Platform::start().await;
    for (path, status, detail) in [
        ("/v2/info", 404, "Unknown request"),
        ("/v3/nothing", 404, "Unknown request"),
        (
            "/v3/organizations/not-a-guid",
            404,
            "Organization not found",
        ),
        (
            "/v3/spaces/00000000-0000-4000-8000-0000000000ff",
            404,
            "Space not found",
        ),
        ("/v3/feature_flags/nothing", 404, "Feature flag not found"),
    ] {
        let answer = platform
            .call(&platform.admin, "GET", path, Value::Null)
            .await;
        assert_eq!(answer.refusal(status), detail, "{path}");
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_good_token() {
    let platform = Platform::start().await;
    let path = "/v3/organizations";
    let answer = platform.call("", "GET", path, Value::Null).await;
    assert!(answer.headers.contains_key(header::WWW_AUTHENTICATE));
    assert_eq!(answer.refusal(401), "Authentication error");
    let answer = platform.call("a.b.c", "GET", path, Value::Null).await;
    assert_eq!(answer.json["errors"][0]["title"], "CF-InvalidAuthToken");
    assert_eq!(answer.refusal(401), "Invalid Auth Token");
}

#[tokio::test]
async fn bodies_that_are_not_right_are_refused_with_their_reason() {
    let platform = Platform::start().await;
    let send = async |body: &str| {
        let request = Request::post("/v3/organizations")
            .header(header::HOST, "x")
            .header(header::AUTHORIZATION, format!("Bearer {}", platform.admin))
            .body(Body::from(body.to_owned()))
            .unwrap();
        platform.send(request).await
    };
    let answer = send("{").await;
    assert_eq!(answer.json["errors"][0]["code"], 1001);
    assert_eq!(answer.status, 400);
    assert!(send("{\"name\":1}").await.refusal(422).contains("string"));
    assert!(send("{\"nome\":\"x\"}").await.refusal(422).contains("nome"));
    assert!(send("").await.refusal(422).contains("name"));
    assert!(
        send("{\"name\":\" \"}")
            .await
            .refusal(422)
            .contains("blank")
    );
    assert!(
        send(&" ".repeat(5_000_000))
            .await
            .refusal(413)
            .contains("larger")
    );
}

#[tokio::test]
async fn lists_are_paged_and_unknown_parameters_refused() {
    let platform = Platform::start().await;
    for name in ["o1", "o2", "o3", "o4"] {
        platform
            .make("/v3/organizations", json!({ "name": name }))
            .await;
    }
    let mut path = "/v3/organizations?order_by=name&per_page=2&label_selector=%21x".to_owned();
    let mut names = Vec::new();
    loop {
        let page = platform.get(&path).await;
        assert_eq!(page["pagination"]["total_results"], 5);
        assert_eq!(page["pagination"]["total_pages"], 3);
        names.extend(super::harness::all(&page, "name"));
        let Some(next) = page["pagination"]["next"]["href"].as_str() else {
            break;
        };
        path = next
            .strip_prefix("http://api.apps.test")
            .unwrap()
            .to_owned();
    }
    assert_eq!(names, ["dev", "o1", "o2", "o3", "o4"]);
    for (query, what) in [
        ("colour=red", "colour"),
        ("per_page=0", "Per page must be a positive integer"),
        ("page=x", "Page must be a positive integer"),
        ("order_by=colour", "Order by"),
        ("include=space", "include"),
        ("label_selector=a%20b", "label_selector"),
    ] {
        let path = format!("/v3/organizations?{query}");
        let answer = platform
            .call(&platform.admin, "GET", &path, Value::Null)
            .await;
        assert_eq!(answer.json["errors"][0]["code"], 10005);
        assert!(answer.refusal(400).contains(what), "{query}");
    }
}

#[tokio::test]
async fn what_is_fixed_or_empty_answers() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    for path in [
        "/v3/organization_quotas?names=default".to_owned(),
        "/v3/stacks?names=cflinuxfs4".to_owned(),
        "/v3/isolation_segments".to_owned(),
        "/v3/feature_flags".to_owned(),
        "/v3/security_groups".to_owned(),
        format!("/v3/spaces/{space}/running_security_groups"),
        format!("/v3/spaces/{space}/staging_security_groups"),
    ] {
        let list = platform.get(&path).await;
        assert_ne!(list["resources"], json!([]), "{path}");
    }
    for path in [
        "/v3/space_quotas".to_owned(),
        format!("/v3/service_instances?space_guids={space}&fields%5Bservice_plan%5D=guid,name"),
        "/v3/service_credential_bindings?app_guids=x".to_owned(),
        "/v3/service_route_bindings?include=service_instance&route_guids=x".to_owned(),
        "/v3/service_offerings".to_owned(),
        "/v3/service_plans?available=true".to_owned(),
        "/v3/service_brokers".to_owned(),
        format!("/v3/isolation_segments?organization_guids={org}"),
    ] {
        let list = platform.get(&path).await;
        assert_eq!(list["resources"], json!([]), "{path}");
        assert_eq!(list["pagination"]["total_pages"], 1);
    }
    for name in ["running", "staging"] {
        let path = format!("/v3/environment_variable_groups/{name}");
        assert_eq!(platform.get(&path).await["var"], json!({}));
    }
}

#[tokio::test]
async fn head_and_options_are_answered() {
    let platform = Platform::start().await;
    let (org, _) = platform.home().await;
    let path = format!("/v3/organizations/{org}");
    let answer = platform
        .call(&platform.admin, "HEAD", &path, Value::Null)
        .await;
    assert_eq!((answer.status, answer.json), (200, Value::Null));
    let answer = platform.call("", "OPTIONS", &path, Value::Null).await;
    assert_eq!(answer.status, 204);
    assert!(answer.headers.contains_key(header::ALLOW));
    let answer = platform
        .call(&platform.admin, "PUT", &path, Value::Null)
        .await;
    assert!(answer.headers.contains_key("x-vcap-request-id"));
    assert_eq!(answer.refusal(404), "Unknown request");
}
