//! Apps, their processes, environment and switches.

use std::sync::Arc;

use pastina::model::{
    InstanceId, InstanceState, InstanceView, Observed, ProcessId, Timestamp, Usage,
};
use serde_json::{Value, json};

use super::harness::{Platform, all, guid, to_one};

/// An app made through the API in the home space.
pub(super) async fn make_app(platform: &Platform, name: &str) -> String {
    let (_, space) = platform.home().await;
    let body = json!({ "name": name, "relationships": { "space": to_one(&space) } });
    guid(&platform.make("/v3/apps", body).await)
}

#[tokio::test]
async fn an_app_comes_with_a_web_process_and_goes_with_all_that_is_its_own() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let app = make_app(&platform, "shop").await;
    let shown = platform.get(&format!("/v3/apps/{app}")).await;
    assert_eq!(shown["state"], "STOPPED");
    assert_eq!(shown["lifecycle"]["type"], "buildpack");
    assert_eq!(shown["relationships"]["space"], to_one(&space));
    assert_eq!(
        shown["relationships"]["current_droplet"]["data"],
        Value::Null
    );
    let processes = platform.get(&format!("/v3/apps/{app}/processes")).await;
    assert_eq!(all(&processes, "guid"), [app.as_str()]);
    assert_eq!(processes["resources"][0]["instances"], 1);
    for list in [
        "sidecars",
        "revisions",
        "revisions/deployed",
        "tasks",
        "builds",
        "droplets",
    ] {
        let list = platform.get(&format!("/v3/apps/{app}/{list}")).await;
        assert_eq!(list["pagination"]["total_results"], 0);
    }
    let taken = json!({ "name": "SHOP", "relationships": { "space": to_one(&space) } });
    let again = platform
        .call(&platform.admin, "POST", "/v3/apps", taken)
        .await;
    assert_eq!(
        again.refusal(422),
        "App with the name 'SHOP' already exists."
    );
    let included = platform
        .get(&format!(
            "/v3/apps?names=shop,x&space_guids={space}&include=space.organization"
        ))
        .await;
    assert_eq!(all(&included, "name"), ["shop"]);
    assert_eq!(included["included"]["spaces"][0]["guid"], space.as_str());
    assert_eq!(
        included["included"]["organizations"][0]["guid"],
        org.as_str()
    );
    for (filter, count) in [
        ("stacks=cflinuxfs4", 1),
        ("stacks=other", 0),
        ("lifecycle_type=docker", 0),
        ("label_selector=a", 0),
        ("guids=", 0),
    ] {
        let list = platform.get(&format!("/v3/apps?{filter}")).await;
        assert_eq!(list["pagination"]["total_results"], count, "{filter}");
    }
    platform.delete(&format!("/v3/apps/{app}")).await;
    for gone in [
        format!("/v3/apps/{app}"),
        format!("/v3/processes/{app}"),
        format!("/v3/apps/{app}/env"),
    ] {
        let answer = platform
            .call(&platform.admin, "GET", &gone, Value::Null)
            .await;
        assert!(answer.refusal(404).ends_with(" not found"));
    }
    let events = platform
        .get(&format!("/v3/audit_events?target_guids={app}"))
        .await;
    assert_eq!(
        all(&events, "type"),
        ["audit.app.create", "audit.app.delete-request"]
    );
}

#[tokio::test]
async fn what_an_app_cannot_be_is_refused() {
    let platform = Platform::start().await;
    let (_, space) = platform.home().await;
    let check = async |extra: Value, status: u16, expected: &str| {
        let mut body = json!({ "name": "x", "relationships": { "space": to_one(&space) } });
        for (key, value) in extra.as_object().unwrap() {
            body[key] = value.clone();
        }
        let answer = platform
            .call(&platform.admin, "POST", "/v3/apps", body)
            .await;
        let text = answer.refusal(status);
        assert!(text.contains(expected), "{extra}: {text}");
    };
    check(json!({ "name": "" }), 422, "blank").await;
    check(json!({ "name": 3 }), 422, "string").await;
    check(json!({ "colour": 3 }), 422, "colour").await;
    check(
        json!({ "relationships": { "space": to_one("x") } }),
        422,
        "Invalid space. Ensure that the space exists and you have access to it.",
    )
    .await;
    check(
        json!({ "lifecycle": { "type": "cnb", "data": {} } }),
        422,
        "not supported",
    )
    .await;
    check(
        json!({ "lifecycle": { "type": "docker", "data": { "buildpacks": ["b"] } } }),
        422,
        "no buildpacks",
    )
    .await;
    check(
        json!({ "lifecycle": { "type": "buildpack", "data": { "buildpacks": ["cobol"] } } }),
        422,
        "Buildpack must be an existing admin buildpack or a valid git URI",
    )
    .await;
    check(
        json!({ "lifecycle": { "data": { "stack": "windows" } } }),
        422,
        "Stack must be an existing stack",
    )
    .await;
    check(
        json!({ "environment_variables": { "VCAP_X": "1" } }),
        422,
        "cannot start with VCAP_",
    )
    .await;
    check(
        json!({ "environment_variables": { "X": 1 } }),
        422,
        "must be a string",
    )
    .await;
    let answer = platform
        .call(&platform.admin, "GET", "/v3/apps/not-a-guid", Value::Null)
        .await;
    assert_eq!(answer.refusal(404), "App not found");
    let answer = platform
        .call(&platform.admin, "GET", "/v3/apps?colour=red", Value::Null)
        .await;
    assert!(answer.refusal(400).contains("'colour'"));
}

#[tokio::test]
async fn the_environment_is_a_secret_that_developers_change() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let app = make_app(&platform, "shop").await;
    let path = format!("/v3/apps/{app}/environment_variables");
    let patch = json!({ "var": { "A": "1", "B": "2", "GONE": null } });
    let set = platform.call(&platform.admin, "PATCH", &path, patch).await;
    assert_eq!(set.expect(200)["var"], json!({ "A": "1", "B": "2" }));
    let env = platform.get(&format!("/v3/apps/{app}/env")).await;
    assert_eq!(env["environment_variables"]["A"], "1");
    assert_eq!(
        env["application_env_json"]["VCAP_APPLICATION"]["space_name"],
        "dev"
    );
    let (auditor, token) = platform.user("ann").await;
    let hidden = platform.call(&token, "GET", &path, Value::Null).await;
    assert_eq!(hidden.refusal(404), "App not found");
    platform.role("organization_user", &auditor, &org).await;
    platform.role("space_auditor", &auditor, &space).await;
    assert_eq!(
        platform
            .call(&token, "GET", &format!("/v3/apps/{app}"), Value::Null)
            .await
            .expect(200)["name"],
        "shop"
    );
    for (method, path) in [
        ("GET", path.clone()),
        ("GET", format!("/v3/apps/{app}/env")),
        ("GET", format!("/v3/apps/{app}/manifest")),
        ("POST", format!("/v3/apps/{app}/actions/stop")),
        ("DELETE", format!("/v3/apps/{app}")),
    ] {
        let answer = platform.call(&token, method, &path, Value::Null).await;
        assert_eq!(answer.status, 403, "{method} {path}");
    }
    let events = platform
        .get(&format!("/v3/audit_events?target_guids={app}"))
        .await;
    assert!(!events.to_string().contains("\"2\""), "{events}");
}

#[tokio::test]
async fn processes_are_scaled_and_checked_by_guid_or_type() {
    let platform = Platform::start().await;
    let app = make_app(&platform, "shop").await;
    let scale = format!("/v3/apps/{app}/processes/web/actions/scale");
    let body = json!({ "instances": 3, "memory_in_mb": 64, "disk_in_mb": null });
    let scaled = platform
        .call(&platform.admin, "POST", &scale, body)
        .await
        .expect(202);
    assert_eq!(
        (&scaled["instances"], &scaled["memory_in_mb"]),
        (&json!(3), &json!(64))
    );
    for (body, expected) in [
        (json!({ "instances": -1 }), "Instances"),
        (json!({ "instances": 4_000_000_000_u32 }), "Instances"),
        (json!({ "memory_in_mb": 0 }), "Memory in mb"),
        (
            json!({ "log_rate_limit_in_bytes_per_second": -2 }),
            "Log rate",
        ),
    ] {
        let answer = platform.call(&platform.admin, "POST", &scale, body).await;
        let text = answer.refusal(422);
        assert!(text.contains(expected), "{text}");
    }
    let missing = format!("/v3/apps/{app}/processes/worker/actions/scale");
    let answer = platform
        .call(&platform.admin, "POST", &missing, json!({}))
        .await;
    assert_eq!(answer.refusal(404), "Process not found");
    let process = format!("/v3/processes/{app}");
    let check = async |body: Value| {
        platform
            .call(&platform.admin, "PATCH", &process, body)
            .await
    };
    let http = json!({ "command": "run", "health_check": {
        "type": "http", "data": { "endpoint": "/up", "timeout": 90 } } });
    let changed = check(http).await.expect(200);
    assert_eq!(changed["command"], "run");
    assert_eq!(changed["health_check"]["data"]["endpoint"], "/up");
    let port = json!({ "command": null, "health_check": {
        "type": "port", "data": { "endpoint": null, "timeout": null } } });
    let changed = check(port).await.expect(200);
    assert_eq!(changed["command"], Value::Null);
    assert_eq!(
        changed["health_check"],
        json!({ "type": "port", "data": {
            "timeout": null, "invocation_timeout": null, "interval": null } })
    );
    let bad = json!({ "health_check": { "type": "http", "data": { "endpoint": "up" } } });
    assert!(check(bad).await.refusal(422).contains("endpoint"));
    let bad = json!({ "health_check": { "type": "port", "data": { "timeout": 9000 } } });
    assert!(check(bad).await.refusal(422).contains("timeout"));
}

#[tokio::test]
async fn stats_have_an_entry_for_each_wanted_instance() {
    let platform = Platform::start().await;
    let app = make_app(&platform, "shop").await;
    let droplet = super::push::droplet(&platform, &app).await;
    let current = format!("/v3/apps/{app}/relationships/current_droplet");
    let assigned = platform
        .call(&platform.admin, "PATCH", &current, to_one(&droplet))
        .await;
    assigned.expect(200);
    let start = format!("/v3/apps/{app}/actions/start");
    let started = platform
        .call(&platform.admin, "POST", &start, Value::Null)
        .await;
    assert_eq!(started.expect(200)["state"], "STARTED");
    let scale = format!("/v3/processes/{app}/actions/scale");
    let body = json!({ "instances": 2 });
    platform
        .call(&platform.admin, "POST", &scale, body)
        .await
        .expect(202);
    let id: ProcessId = app.parse().unwrap();
    let view = InstanceView {
        id: Some(InstanceId::random()),
        index: 0,
        state: InstanceState::Running,
        since: Timestamp::default(),
        routable: Some(true),
        details: None,
        usage: Usage::default(),
    };
    let observed = Observed {
        processes: [(id, vec![view])].into(),
    };
    platform.observed.send_replace(Arc::new(observed));
    let stats = platform.get(&format!("/v3/processes/{app}/stats")).await;
    assert_eq!(all(&stats, "state"), ["RUNNING", "DOWN"]);
    assert_eq!(all(&stats, "host")[0], "api.apps.test");
    let list = platform
        .get("/v3/processes?embed=process_instances&types=web")
        .await;
    assert_eq!(
        list["resources"][0]["process_instances"][0]["state"],
        "RUNNING"
    );
    let instance = |index: u32| format!("/v3/apps/{app}/processes/web/instances/{index}");
    let restart = platform
        .call(&platform.admin, "DELETE", &instance(1), Value::Null)
        .await;
    assert_eq!(restart.status, 204);
    let wish = platform.wishes.lock().await.recv().await.unwrap();
    assert_eq!((wish.process, wish.index), (id, 1));
    let missing = platform
        .call(&platform.admin, "DELETE", &instance(2), Value::Null)
        .await;
    assert_eq!(missing.refusal(404), "Instance not found");
}

#[tokio::test]
async fn switches_are_told_as_they_are() {
    let platform = Platform::start().await;
    let app = make_app(&platform, "shop").await;
    let path = format!("/v3/apps/{app}/features/ssh");
    assert_eq!(platform.get(&path).await["enabled"], true);
    let off = platform
        .call(&platform.admin, "PATCH", &path, json!({ "enabled": false }))
        .await;
    assert_eq!(off.expect(200)["enabled"], false);
    assert_eq!(platform.get(&path).await["enabled"], false);
    let ssh = platform.get(&format!("/v3/apps/{app}/ssh_enabled")).await;
    assert_eq!(ssh["enabled"], false);
    let unknown = platform
        .call(
            &platform.admin,
            "GET",
            &format!("/v3/apps/{app}/features/x"),
            Value::Null,
        )
        .await;
    assert_eq!(unknown.refusal(404), "Feature not found");
    let may = platform.get(&format!("/v3/apps/{app}/permissions")).await;
    assert_eq!(may["read_sensitive_data"], true);
}

#[tokio::test]
async fn buildpacks_are_the_runtimes_and_deployments_need_an_app() {
    let platform = Platform::start().await;
    let buildpacks = platform.get("/v3/buildpacks?order_by=position").await;
    let names = all(&buildpacks, "name");
    for name in ["staticfile_buildpack", "python_buildpack"] {
        assert!(
            names.iter().any(|one| one == name),
            "no {name} in {names:?}"
        );
    }
    let first = guid(&buildpacks["resources"][0]);
    let shown = platform.get(&format!("/v3/buildpacks/{first}")).await;
    assert_eq!(shown["position"], 1);
    let none = platform
        .get("/v3/deployments?app_guids=x&status_values=ACTIVE&order_by=-created_at")
        .await;
    assert_eq!(none["resources"], json!([]));
    let body = json!({ "relationships": { "app": to_one(&first) } });
    let rolling = platform
        .call(&platform.admin, "POST", "/v3/deployments", body)
        .await;
    assert!(rolling.refusal(422).contains("Unable to use app"));
}
