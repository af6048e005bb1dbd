use serde_json::{Value, json};

use super::{AppManifest, Document, Routing, View, diff, present, read, unknown_keys, yaml};
use crate::model::{
    App, AppId, AppName, AppProtocol, AppState, HealthCheck, Lifecycle, LifecycleKind, Megabytes,
    Metadata, Process, ProcessType, ReadinessCheck, SidecarPlan, SpaceId, Timestamp,
};

/// The first app of a manifest, or everything that is told about it.
fn parse(yaml: &str) -> Result<AppManifest, String> {
    let document = Document::parse(yaml.as_bytes()).map_err(|error| error.detail)?;
    read(0, &document.applications.0[0]).map_err(|errors| errors.join("\n"))
}

fn refused(yaml: &str, expected: &str) {
    let error = parse(yaml).expect_err(yaml);
    assert!(error.contains(expected), "{yaml}\ngave: {error}");
}

#[test]
fn what_is_no_manifest_is_refused() {
    let check = |yaml: &str, status: u16, expected: &str| {
        let error = Document::parse(yaml.as_bytes()).expect_err(yaml);
        assert_eq!(error.status, status, "{yaml}");
        assert!(error.detail.contains(expected), "{yaml}\ngave: {error}");
    };
    check("", 422, "no 'applications' field");
    check("- a", 422, "no 'applications' field");
    check("applications: []", 422, "no 'applications' field");
    check("applications: 3", 422, "no 'applications' field");
    check("applications: [a]", 422, "at index 0");
    check("version: 2\napplications: [{name: a}]", 422, "[1]");
    check("applications: [", 400, "not valid YAML");
    check(
        "a: &x 1\napplications: [{name: *x}]",
        400,
        "Anchors and Aliases",
    );
    check("applications: [{name: &x a}]", 400, "Anchors and Aliases");
    check(
        &format!("a: {}1{}", "[".repeat(99), "]".repeat(99)),
        400,
        "YAML",
    );
    check(
        &" ".repeat(super::MAX_BYTES + 1),
        400,
        "supported size is 1MB",
    );
    check("a: 1\na: 2\napplications: [{name: a}]", 400, "YAML");
}

#[test]
fn complaints_name_the_app_and_the_key() {
    let check = |line: &str, expected: &str| {
        let yaml = format!("applications:\n- name: x\n  {line}\n");
        let error = parse(&yaml).expect_err(&yaml);
        assert!(error.starts_with("For application 'x': "), "{error}");
        assert!(error.contains(expected), "{yaml}\ngave: {error}");
    };
    check("memory: 64", "'memory' must be a size above zero");
    check("memory: 64Q", "'memory' must be a size above zero");
    check("memory: 0M", "'memory' must be a size above zero");
    check("disk_quota: [1]", "'disk-quota' must be a size");
    check("instances: two", "'instances' must be a whole number");
    check("instances: -1", "'instances' must be a whole number");
    check("instances: 1.5", "'instances' must be a whole number");
    check(
        "timeout: 0",
        "'timeout' must be a whole number of at least 1",
    );
    check("command: [a]", "'command' must be a string");
    check("stack: 4", "'stack' must be a string");
    check("env: [a]", "'env' must be a map");
    check("env: text", "'env' must be a map");
    check("routes: x.kr", "'routes' must be a list");
    check("routes: [x.kr]", "'routes' must be a list of maps");
    check("routes: [{route: 'a b.kr'}]", "not a properly formed URL");
    check("routes: [{route: 'a.kr:99999'}]", "properly formed");
    check("routes: [{route: 'a.kr:99/x'}]", "properly formed");
    check(
        "routes: [{route: a.kr, protocol: h3}]",
        "http1', 'http2' or 'tcp",
    );
    check("no-route: maybe", "'no-route' must be true or false");
    check("buildpacks: python", "'buildpacks' must be a list");
    check("buildpack: a\n  buildpacks: [b]", "cannot be used together");
    check("docker: {username: me}", "Docker: 'image' must be given");
    check("docker: {image: x, password: y}", "CF_DOCKER_PASSWORD");
    check(
        "docker: {image: x}\n  buildpack: b",
        "both buildpack(s) and docker",
    );
    check("docker: x", "'docker' must be a map");
    check("health-check-type: tcp", "port, http or process");
    check(
        "log-rate-limit-per-second: 5",
        "'log-rate-limit-per-second'",
    );
    check(
        "services: [{plan: a}]",
        "'services' must be a list of names",
    );
    check("sidecars: [{command: a}]", "a list of maps with a 'name'");
    check(
        "sidecars: [{name: a}, {name: a}]",
        "may only be present once",
    );
    check(
        "sidecars: [{name: a, memory: much}]",
        "Sidecar \"a\": 'memory' must be",
    );
    check("features: {ssh: 1}", "'features' must be");
    check(
        "metadata: {labels: [a]}",
        "Metadata: 'labels' must be a map",
    );
    check(
        "processes: [{memory: 1M}]",
        "'processes' must be a list of maps with a 'type'",
    );
    check(
        "processes: [{type: a, memory: 1}]",
        "Process \"a\": 'memory'",
    );
    check("processes: [{type: a}, {type: a}]", "only be present once");
    check(
        "random-route: true\n  default-route: true",
        "may not be used together",
    );
    refused(
        "applications: [{memory: 1M}]",
        "at index 0: 'name' must be given",
    );
    refused(
        "applications: [{name: 3}]",
        "'name' must be a string, not 3",
    );
    refused("applications: [{name: ''}]", "blank");
    let two = parse("applications: [{name: x, memory: 1, instances: a}]").unwrap_err();
    assert_eq!(two.lines().count(), 2, "{two}");
}

#[test]
fn routes_win_over_the_default_route_and_no_route_over_all() {
    let check = |keys: &str, expected: fn(&Routing) -> bool| {
        let yaml = format!("applications: [{{name: x, {keys}}}]");
        let routing = parse(&yaml).unwrap().routing;
        assert!(expected(&routing), "{yaml}\ngave: {routing:?}");
    };
    check("path: a", |r| *r == Routing::Keep);
    check("default-route: true", |r| *r == Routing::Default);
    check("default-route: false", |r| *r == Routing::Keep);
    check("random-route: true", |r| *r == Routing::Random);
    check(
        "default-route: true, routes: [{route: a.kr}]",
        |r| matches!(r, Routing::Map(routes) if routes.len() == 1),
    );
    check("no-route: true, routes: [{route: a.kr}]", |r| {
        *r == Routing::Unmap
    });
    check("default-route: true, routes: []", |r| {
        *r == Routing::Default
    });
}

#[test]
fn a_route_is_read_as_domain_and_as_host_with_domain() {
    let check = |text: &str, path: &str, expected: &[(&str, &str)]| {
        let url = super::RouteUrl::parse(text).expect(text);
        let found: Vec<_> = url
            .candidates()
            .map(|(host, domain)| (host.to_string(), domain.to_string()))
            .collect();
        let found: Vec<_> = found
            .iter()
            .map(|(host, domain)| (host.as_str(), domain.as_str()))
            .collect();
        assert_eq!((found.as_slice(), url.path.as_str()), (expected, path));
    };
    check("a.b.kr", "", &[("", "a.b.kr"), ("a", "b.kr")]);
    check("https://A.b.kr/v1", "/v1", &[("", "a.b.kr"), ("a", "b.kr")]);
    check("*.b.kr/", "", &[("*", "b.kr")]);
    check("localhost", "", &[("", "localhost")]);
}

#[test]
fn everything_that_a_manifest_can_say_is_read() {
    let text = "
applications:
- name: shop
  path: ./dist
  buildpack: default
  stack: cflinuxfs4
  env: {A: text, B: 2, C: true, D: [1, 2], E: null, F: 0755, G: 1_000}
  metadata: {labels: {tier: web, old: null}, annotations: {n: 1}}
  memory: 1G
  disk-quota: 512M
  instances: 2
  log-rate-limit-per-second: 16K
  command: run
  timeout: 90
  health-check-type: http
  health-check-http-endpoint: /up
  readiness-health-check-type: none
  services: [db, {name: cache, parameters: {}}]
  features: {ssh: false}
  processes:
  - type: worker
    command: null
    disk_quota: 1024MB
    health-check-type: process
";
    let manifest = parse(text).unwrap();
    // A key that is read is a key that is known.
    let document = Document::parse(text.as_bytes()).unwrap();
    assert_eq!(unknown_keys(&document.applications.0[0]), []);
    insta::assert_debug_snapshot!((&manifest, &manifest.env.0));
}

fn shop() -> (App, Process) {
    let id = AppId::from_uuid(uuid::Uuid::from_u128(1));
    let at = Timestamp::from_millis(0);
    let app = App {
        id,
        space: SpaceId::random(),
        name: AppName::parse("shop").unwrap(),
        state: AppState::Started,
        lifecycle: Lifecycle {
            kind: LifecycleKind::Buildpack,
            buildpacks: vec!["python_buildpack".to_owned()],
            stack: None,
            credentials: std::collections::BTreeMap::new(),
        },
        env: [("A".to_owned(), "1".to_owned())].into(),
        current_droplet: None,
        generation: 0,
        features: [("ssh".to_owned(), false)].into(),
        uid_range: None,
        cache_cleared_at: None,
        git_source: None,
        metadata: Metadata {
            labels: [("tier".to_owned(), "web".to_owned())].into(),
            ..Metadata::default()
        },
        created_at: at,
        updated_at: at,
    };
    let process = Process {
        id: id.into(),
        app: id,
        process_type: ProcessType::web(),
        command: Some("run: now".to_owned()),
        instances: 2,
        memory: Megabytes(1024),
        disk: Megabytes(512),
        log_rate_limit: -1,
        health: HealthCheck::default_for(true),
        readiness: ReadinessCheck::default(),
        generation: 0,
        revision: None,
        pin: None,
        metadata: Metadata::default(),
        created_at: at,
        updated_at: at,
    };
    (app, process)
}

fn existing() -> serde_json::Map<String, Value> {
    let (app, process) = shop();
    present(&View {
        app: &app,
        docker: None,
        processes: vec![&process],
        services: vec!["orders", "cache"],
        sidecars: vec![SidecarPlan {
            name: "proxy".to_owned(),
            command: "exec proxy".to_owned(),
            process_types: [ProcessType::web()].into(),
            memory: Some(Megabytes(64)),
        }],
        routes: vec![super::RouteView {
            url: "shop.apps.kr/v1".to_owned(),
            protocol: AppProtocol::Http1,
            options: [("loadbalancing".to_owned(), "round-robin".to_owned())].into(),
        }],
    })
}

#[test]
fn an_app_as_a_manifest() {
    let manifest = json!({ "applications": [existing()] });
    let text = yaml(&manifest).unwrap();
    insta::assert_snapshot!(text);
    let back = Document::parse(text.as_bytes()).unwrap();
    let again = diff(0, &back.applications.0[0], Some(&existing()));
    assert_eq!(again, Vec::<Value>::new());
    read(0, &back.applications.0[0]).unwrap();
}

#[test]
fn differences_are_told_for_what_is_mentioned_only() {
    let check = |yaml: &str, expected: Value| {
        let yaml = format!("applications: [{{name: shop, {yaml}}}]");
        let document = Document::parse(yaml.as_bytes()).unwrap();
        let changes = diff(0, &document.applications.0[0], Some(&existing()));
        assert_eq!(Value::Array(changes), expected, "{yaml}");
    };
    check("path: x, unknown: 1", json!([]));
    check("memory: 1024M, disk-quota: 512mb", json!([]));
    check(
        "memory: 64M",
        json!([{ "op": "replace", "path": "/applications/0/memory", "was": "1024M", "value": "64M" }]),
    );
    check("default-route: true, random-route: true", json!([]));
    check(
        "env: {A: 1, B: x}",
        json!([{ "op": "add", "path": "/applications/0/env/B", "value": "x" }]),
    );
    check(
        "env: {A: null}",
        json!([{ "op": "remove", "path": "/applications/0/env/A", "was": "1" }]),
    );
    check("routes: [{route: shop.apps.kr/v1}]", json!([]));
    check(
        "routes: [{route: shop.apps.kr/v1, protocol: http2}, {route: new.apps.kr}]",
        json!([
            { "op": "replace", "path": "/applications/0/routes/0/protocol",
              "was": "http1", "value": "http2" },
            { "op": "add", "path": "/applications/0/routes/1",
              "value": { "route": "new.apps.kr" } },
        ]),
    );
    check("buildpack: python_buildpack", json!([]));
    check(
        "buildpacks: [go_buildpack]",
        json!([{ "op": "replace", "path": "/applications/0/buildpacks/0",
                 "was": "python_buildpack", "value": "go_buildpack" }]),
    );
    check(
        "buildpacks: []",
        json!([{ "op": "remove", "path": "/applications/0/buildpacks/0",
                 "was": "python_buildpack" }]),
    );
    check(
        "processes: [{type: web, instances: 3, disk-quota: 512M}, {type: worker, command: w}]",
        json!([
            { "op": "replace", "path": "/applications/0/processes/0/instances",
              "was": 2, "value": 3 },
            { "op": "add", "path": "/applications/0/processes/1",
              "value": { "type": "worker", "command": "w" } },
        ]),
    );
    check(
        "no-route: true, command: null",
        json!([
            { "op": "add", "path": "/applications/0/no-route", "value": true },
            { "op": "remove", "path": "/applications/0/command", "was": "run: now" },
        ]),
    );
    let new = Document::parse(b"applications: [{name: new, memory: 1M, path: x}]").unwrap();
    assert_eq!(
        Value::Array(diff(0, &new.applications.0[0], None)),
        json!([
            { "op": "add", "path": "/applications/0/name", "value": "new" },
            { "op": "add", "path": "/applications/0/memory", "value": "1M" },
        ])
    );
}

#[test]
fn a_route_with_a_port_is_one_of_tcp() {
    let yaml = "applications: [{name: game, routes: [{route: 'tcp.kr:61000', protocol: tcp}]}]";
    let Routing::Map(routes) = parse(yaml).unwrap().routing else {
        panic!("no routes");
    };
    assert_eq!(routes[0].url.port, Some(61_000));
    assert_eq!(routes[0].protocol, Some(AppProtocol::Tcp));
}
