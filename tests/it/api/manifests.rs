//! Manifests from outside.

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::{Value, json};

use super::harness::{Answer, Platform, all, guid};

async fn send(platform: &Platform, path: &str, yaml: &str) -> Answer {
    let request = Request::post(path)
        .header(header::HOST, "api.apps.test")
        .header(header::CONTENT_TYPE, "application/x-yaml")
        .header(header::AUTHORIZATION, format!("bearer {}", platform.admin))
        .body(Body::from(yaml.to_owned()))
        .unwrap();
    platform.send(request).await
}

async fn apply(platform: &Platform, yaml: &str) -> Answer {
    let (_, space) = platform.home().await;
    let path = format!("/v3/spaces/{space}/actions/apply_manifest");
    send(platform, &path, yaml).await
}

/// The guid of the app of that name.
async fn app(platform: &Platform, name: &str) -> String {
    let apps = platform.get(&format!("/v3/apps?names={name}")).await;
    guid(&apps["resources"][0])
}

#[tokio::test]
async fn a_manifest_makes_apps_with_processes_and_routes() {
    let platform = Platform::start().await;
    let yaml = "
applications:
- name: shop
  memory: 64M
  disk-quota: 128M
  default-route: true
  env: {A: 1}
  buildpacks: [python_buildpack]
  processes: [{type: worker, instances: 2, command: work}]
- name: api
  default-route: true
  routes: [{route: api2.apps.test/v1, protocol: http2}]
- name: job
  no-route: true
- name: luck
  random-route: true
";
    let answer = apply(&platform, yaml).await;
    let location = answer.headers[header::LOCATION]
        .to_str()
        .unwrap()
        .to_owned();
    answer.expect(202);
    let job = platform
        .get(location.strip_prefix("http://api.apps.test").unwrap())
        .await;
    assert_eq!(
        (&job["state"], &job["operation"]),
        (&json!("COMPLETE"), &json!("space.apply_manifest"))
    );
    let shop = app(&platform, "shop").await;
    let mut processes = all(
        &platform.get(&format!("/v3/apps/{shop}/processes")).await,
        "type",
    );
    processes.sort();
    assert_eq!(processes, ["web", "worker"]);
    let web = platform.get(&format!("/v3/processes/{shop}")).await;
    assert_eq!(
        (&web["memory_in_mb"], &web["disk_in_mb"]),
        (&json!(64), &json!(128))
    );
    let urls = async |name: &str| {
        let guid = app(&platform, name).await;
        all(
            &platform.get(&format!("/v3/apps/{guid}/routes")).await,
            "url",
        )
    };
    assert_eq!(urls("shop").await, ["shop.apps.test"]);
    assert_eq!(urls("api").await, ["api2.apps.test/v1"]);
    assert_eq!(urls("job").await, [""; 0]);
    let lucky = urls("luck").await;
    assert!(
        lucky.len() == 1 && lucky[0].starts_with("luck-"),
        "{lucky:?}"
    );
    // Again changes nothing, and a diff knows it.
    apply(&platform, yaml).await.expect(202);
    assert_eq!(urls("luck").await, lucky);
    let (_, space) = platform.home().await;
    let path = format!("/v3/spaces/{space}/manifest_diff");
    let diff = send(&platform, &path, yaml).await.expect(201);
    assert_eq!(diff, json!({ "diff": [] }));
    let more = "applications: [{name: shop, memory: 1G, env: {B: x}}, {name: new}]";
    let diff = send(&platform, &path, more).await.expect(201);
    assert_eq!(diff["diff"].as_array().unwrap().len(), 3, "{diff}");
    apply(&platform, "applications: [{name: api, no-route: true}]")
        .await
        .expect(202);
    assert_eq!(urls("api").await, [""; 0]);
}

#[tokio::test]
async fn a_manifest_with_a_mistake_changes_nothing() {
    let platform = Platform::start().await;
    let check = async |app: &str, expected: &str| {
        let yaml = format!("applications: [{{name: good}}, {{name: bad, {app}}}]");
        let text = apply(&platform, &yaml).await.refusal(422);
        assert!(text.contains("For application 'bad': "), "{app}: {text}");
        assert!(text.contains(expected), "{app}: {text}");
    };
    check("services: [db]", "Service instance 'db' not found").await;
    check("buildpack: cobol", "valid git URI").await;
    check("stack: windows", "Stack must be").await;
    check("env: {PORT: '1'}", "cannot set PORT").await;
    check(
        "routes: [{route: a.nowhere.kr}]",
        "No domains exist for route",
    )
    .await;
    check("routes: [{route: api.apps.test}]", "reserved").await;
    check("instances: 100000", "Instances").await;
    check("features: {x: true}", "no feature 'x'").await;
    check(
        "health-check-http-endpoint: x, health-check-type: http",
        "URI",
    )
    .await;
    let yaml = "applications: [{name: 'a b', default-route: true}]";
    let text = apply(&platform, yaml).await.refusal(422);
    assert!(text.contains("Failed to create default route"), "{text}");
    let apps = platform.get("/v3/apps").await;
    assert_eq!(all(&apps, "name"), [""; 0]);
    let routes = platform.get("/v3/routes").await;
    assert_eq!(all(&routes, "url"), [""; 0]);
    let several = "applications: [{name: a, memory: 1, instances: x}]";
    let answer = apply(&platform, several).await;
    assert_eq!(answer.json["errors"].as_array().unwrap().len(), 2);
    let (_, space) = platform.home().await;
    let path = format!("/v3/spaces/{space}/actions/apply_manifest");
    let json = platform
        .call(
            &platform.admin,
            "POST",
            &path,
            json!({ "applications": [] }),
        )
        .await;
    assert!(json.refusal(400).contains("yaml"));
}

#[tokio::test]
async fn an_app_gives_its_manifest_which_applies_again() {
    let platform = Platform::start().await;
    apply(
        &platform,
        "applications: [{name: shop, memory: 64M, default-route: true, env: {A: '1'}}]",
    )
    .await
    .expect(202);
    let shop = app(&platform, "shop").await;
    let value = platform
        .actions
        .app_manifest(&caller(&platform), shop.parse().unwrap())
        .unwrap();
    let yaml = pastina::wire::manifest::yaml(&value).unwrap();
    assert!(yaml.contains("route: shop.apps.test"), "{yaml}");
    apply(&platform, &yaml).await.expect(202);
    let (_, space) = platform.home().await;
    let path = format!("/v3/spaces/{space}/manifest_diff");
    let diff = send(&platform, &path, &yaml).await.expect(201);
    assert_eq!(diff["diff"], json!([] as [Value; 0]));
}

fn caller(platform: &Platform) -> pastina::actions::Caller {
    let state = platform.store.state();
    let admin = state.users.values().find(|user| user.admin).unwrap();
    pastina::actions::Caller::new(&state, std::sync::Arc::clone(admin))
}

#[tokio::test]
async fn two_pushes_at_once_both_end_cleanly() {
    let platform = Platform::start().await;
    let yaml = |memory: u32| {
        format!("applications: [{{name: shop, default-route: true, memory: {memory}M}}]")
    };
    let (one, two) = (yaml(64), yaml(128));
    let (one, two) = tokio::join!(apply(&platform, &one), apply(&platform, &two));
    one.expect(202);
    two.expect(202);
    let apps = platform.get("/v3/apps").await;
    assert_eq!(all(&apps, "name"), ["shop"]);
    let routes = platform.get("/v3/routes").await;
    assert_eq!(all(&routes, "url"), ["shop.apps.test"]);
    assert_eq!(
        routes["resources"][0]["destinations"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_manifest_maps_tcp_routes() {
    let platform = Platform::start().await;
    let group = guid(&platform.get("/routing/v1/router_groups").await[0]);
    let domain = json!({ "name": "tcp.test", "router_group": { "guid": group } });
    platform.make("/v3/domains", domain).await;
    let game = |routes: &str| {
        format!("applications: [{{name: game, no-route: false, routes: [{routes}]}}]")
    };
    let routed = async || {
        let app = app(&platform, "game").await;
        let routes = platform.get(&format!("/v3/apps/{app}/routes")).await;
        let mut urls = all(&routes, "url");
        urls.sort();
        (urls, routes["resources"][0]["destinations"][0].clone())
    };
    let yaml = game("{route: 'tcp.test:61002'}");
    for _ in 0..2 {
        apply(&platform, &yaml).await.expect(202);
        let (urls, destination) = routed().await;
        assert_eq!(urls, ["tcp.test:61002"]);
        assert_eq!(destination["protocol"], "tcp");
    }
    // Without a port the one that the app has is good enough.
    apply(&platform, &game("{route: tcp.test}"))
        .await
        .expect(202);
    assert_eq!(routed().await.0, ["tcp.test:61002"]);
    for (routes, words) in [
        (
            "{route: 'tcp.test:1024'}",
            "Port '1024' is not available. Try a different port or use a different domain.",
        ),
        (
            "{route: 'game.apps.test:61000'}",
            "Routes with protocol 'http' do not support ports.",
        ),
        (
            "{route: 'tcp.test:61001', protocol: http2}",
            "Cannot use 'http2' protocol for tcp routes",
        ),
        (
            "{route: game.apps.test, options: {loadbalancing: luck}}",
            "Cannot use loadbalancing value 'luck' for Route 'game.apps.test'; Valid values are: \
             'round-robin, least-connection'",
        ),
        (
            "{route: game.apps.test, options: {colour: red}}",
            "Route 'game.apps.test' contains invalid route option 'colour'. Valid keys: \
             'loadbalancing'",
        ),
    ] {
        let text = apply(&platform, &game(routes)).await.refusal(422);
        assert!(text.contains(words), "{routes}: {text}");
    }
    assert_eq!(routed().await.0, ["tcp.test:61002"]);
}
