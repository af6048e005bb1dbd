//! Feature flags, environment variable groups, isolation segments, and who sees everything.

use serde_json::{Value, json};

use super::harness::{Platform, all, guid, to_one};

async fn set(platform: &Platform, flag: &str, body: Value) -> super::harness::Answer {
    let path = format!("/v3/feature_flags/{flag}");
    platform.call(&platform.admin, "PATCH", &path, body).await
}

#[tokio::test]
async fn a_flag_stops_people_in_its_own_words() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let (ann, token) = platform.user("ann").await;
    platform.role("organization_manager", &ann, &org).await;
    platform.role("space_developer", &ann, &space).await;
    platform.role("space_manager", &ann, &space).await;
    let app = json!({ "name": "shop", "relationships": { "space": to_one(&space) } });
    let app = guid(&platform.make("/v3/apps", app).await);
    let (ben, _) = platform.user("ben").await;
    platform.role("organization_user", &ben, &org).await;
    let domains = platform.get("/v3/domains?names=apps.test").await;
    let domain = guid(&domains["resources"][0]);

    let in_space = json!({ "space": to_one(&space) });
    let route = json!({ "host": "x", "relationships": {
        "space": to_one(&space), "domain": to_one(&domain),
    } });
    let own = json!({ "name": "own.test", "relationships": { "organization": to_one(&org) } });
    let service = json!({ "type": "user-provided", "name": "db", "relationships": in_space });
    let by_name = json!({ "type": "space_auditor", "relationships": {
        "space": to_one(&space), "user": { "data": { "username": "ben" } },
    } });
    let scale = format!("/v3/apps/{app}/processes/web/actions/scale");
    let tasks = format!("/v3/apps/{app}/tasks");
    let cases = [
        ("route_creation", "/v3/routes", route),
        ("private_domain_creation", "/v3/domains", own),
        (
            "service_instance_creation",
            "/v3/service_instances",
            service,
        ),
        ("set_roles_by_username", "/v3/roles", by_name),
        ("app_scaling", &scale, json!({ "instances": 1 })),
        (
            "app_bits_upload",
            "/v3/resource_matches",
            json!({ "resources": [] }),
        ),
        ("task_creation", &tasks, json!({ "command": "true" })),
    ];
    for (flag, path, body) in cases {
        set(&platform, flag, json!({ "enabled": false }))
            .await
            .expect(200);
        let answer = platform.call(&token, "POST", path, body.clone()).await;
        assert_eq!(
            answer.json["errors"][0]["code"], 330_002,
            "{flag}: {}",
            answer.json
        );
        assert_eq!(answer.refusal(403), format!("Feature Disabled: {flag}"));
        // Not admins.
        let answer = platform
            .call(&platform.admin, "POST", path, body.clone())
            .await;
        assert_ne!(answer.status, 403, "{flag}: {}", answer.json);
        let words = json!({ "custom_error_message": "Ask the teacher." });
        let told = set(&platform, flag, words).await.expect(200);
        assert_eq!(told["enabled"], false);
        assert_eq!(told["custom_error_message"], "Ask the teacher.");
        let answer = platform.call(&token, "POST", path, body).await;
        assert_eq!(answer.refusal(403), "Feature Disabled: Ask the teacher.");
        set(&platform, flag, json!({ "enabled": true }))
            .await
            .expect(200);
    }
    for flag in ["env_var_visibility", "space_developer_env_var_visibility"] {
        for path in ["env", "environment_variables"] {
            let path = format!("/v3/apps/{app}/{path}");
            platform
                .call(&token, "GET", &path, Value::Null)
                .await
                .expect(200);
            set(&platform, flag, json!({ "enabled": false }))
                .await
                .expect(200);
            let answer = platform.call(&token, "GET", &path, Value::Null).await;
            assert_eq!(answer.refusal(403), format!("Feature Disabled: {flag}"));
            let of_admin = platform
                .call(&platform.admin, "GET", &path, Value::Null)
                .await;
            let expected = if flag == "env_var_visibility" {
                403
            } else {
                200
            };
            assert_eq!(of_admin.status, expected, "{flag}");
            set(&platform, flag, json!({ "enabled": true }))
                .await
                .expect(200);
        }
    }
}

#[tokio::test]
async fn people_make_organizations_where_they_may() {
    let platform = Platform::start().await;
    let (_, token) = platform.user("ann").await;
    let body = json!({ "name": "lab" });
    let make = async || {
        platform
            .call(&token, "POST", "/v3/organizations", body.clone())
            .await
    };
    make().await.refusal(403);
    set(&platform, "user_org_creation", json!({ "enabled": true }))
        .await
        .expect(200);
    let org = guid(&make().await.expect(201));
    let path = format!("/v3/roles?organization_guids={org}");
    let roles = platform
        .call(&token, "GET", &path, Value::Null)
        .await
        .expect(200);
    let mut kinds = all(&roles, "type");
    kinds.sort();
    assert_eq!(kinds, ["organization_manager", "organization_user"]);
}

#[tokio::test]
async fn flags_say_what_they_are_and_what_they_cannot_be() {
    let platform = Platform::start().await;
    let list = platform.get("/v3/feature_flags").await;
    assert_eq!(list["pagination"]["total_results"], 19);
    let flag = platform.get("/v3/feature_flags/diego_docker").await;
    assert_eq!(
        (&flag["enabled"], &flag["updated_at"]),
        (&json!(true), &Value::Null)
    );
    let answer = set(&platform, "nonsense", json!({})).await;
    assert_eq!(answer.json["errors"][0]["code"], 330_000);
    assert_eq!(answer.refusal(404), "Feature flag not found");
    let refused = set(&platform, "diego_cnb", json!({ "enabled": true }))
        .await
        .refusal(422);
    assert!(refused.contains("builds.cnb_builder"), "{refused}");
    for body in [
        json!({ "custom_error_message": "" }),
        json!({ "custom_error_message": "x".repeat(251) }),
        json!({ "enabled": "yes" }),
        json!({ "colour": 1 }),
    ] {
        set(&platform, "app_scaling", body).await.refusal(422);
    }
    let (_, space) = platform.home().await;
    set(&platform, "diego_docker", json!({ "enabled": false }))
        .await
        .expect(200);
    let body = json!({
        "name": "image", "lifecycle": { "type": "docker", "data": {} },
        "relationships": { "space": to_one(&space) },
    });
    let answer = platform
        .call(&platform.admin, "POST", "/v3/apps", body)
        .await;
    assert_eq!(answer.refusal(403), "Feature Disabled: diego_docker");
    let path = "/v3/service_offerings";
    platform
        .call("", "GET", path, Value::Null)
        .await
        .expect(200);
    let hide = "hide_marketplace_from_unauthenticated_users";
    set(&platform, hide, json!({ "enabled": true }))
        .await
        .expect(200);
    platform
        .call("", "GET", path, Value::Null)
        .await
        .expect(401);
    platform.get(path).await;
}

#[tokio::test]
async fn variables_for_everybody_are_in_every_environment() {
    let platform = Platform::start().await;
    let (_, space) = platform.home().await;
    let app = json!({ "name": "shop", "relationships": { "space": to_one(&space) } });
    let app = guid(&platform.make("/v3/apps", app).await);
    let path = "/v3/environment_variable_groups/running";
    let patch = async |body: Value| platform.call(&platform.admin, "PATCH", path, body).await;
    patch(json!({ "var": { "A": "1", "B": "2" } }))
        .await
        .expect(200);
    let changed = patch(json!({ "var": { "A": null, "C": "3" } }))
        .await
        .expect(200);
    assert_eq!(changed["var"], json!({ "B": "2", "C": "3" }));
    let env = platform.get(&format!("/v3/apps/{app}/env")).await;
    assert_eq!(env["running_env_json"], json!({ "B": "2", "C": "3" }));
    assert_eq!(env["staging_env_json"], json!({}));
    for body in [
        json!({ "var": { "PORT": "1" } }),
        json!({ "var": { "VCAP_X": "1" } }),
    ] {
        patch(body).await.refusal(422);
    }
    let nowhere = "/v3/environment_variable_groups/x";
    let answer = platform
        .call(&platform.admin, "GET", nowhere, Value::Null)
        .await;
    assert_eq!(answer.refusal(404), "Environment variable group not found");
}

#[tokio::test]
async fn isolation_segments_are_entitled_assigned_and_given_back() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let made = platform
        .make("/v3/isolation_segments", json!({ "name": "gpu" }))
        .await;
    let (id, path) = (
        guid(&made),
        format!("/v3/isolation_segments/{}", guid(&made)),
    );
    let call = async |method: &str, path: &str, body: Value| {
        platform.call(&platform.admin, method, path, body).await
    };
    let again = call("POST", "/v3/isolation_segments", json!({ "name": "GPU" })).await;
    assert!(again.refusal(422).contains("must be unique"));
    let of_space = format!("/v3/spaces/{space}/relationships/isolation_segment");
    let of_org = format!("/v3/organizations/{org}/relationships/default_isolation_segment");
    let assign = json!({ "data": { "guid": id } });
    for path in [&of_space, &of_org] {
        let refused = call("PATCH", path, assign.clone()).await.refusal(422);
        assert!(refused.contains("Ensure it has been entitled"), "{refused}");
    }
    let orgs = format!("{path}/relationships/organizations");
    let entitled = call("POST", &orgs, json!({ "data": [{ "guid": org }] }))
        .await
        .expect(200);
    assert_eq!(entitled["data"][0]["guid"], org);
    let listed = platform.get(&format!("{path}/organizations")).await;
    assert_eq!(all(&listed, "guid"), std::slice::from_ref(&org));
    for path in [&of_space, &of_org] {
        call("PATCH", path, assign.clone()).await.expect(200);
        assert_eq!(platform.get(path).await["data"]["guid"], id);
    }
    let spaces = platform.get(&format!("{path}/relationships/spaces")).await;
    assert_eq!(spaces["data"][0]["guid"], space);
    let revoke = format!("{orgs}/{org}");
    assert!(
        call("DELETE", &revoke, Value::Null)
            .await
            .refusal(422)
            .contains("default")
    );
    call("PATCH", &of_org, json!({ "data": null }))
        .await
        .expect(200);
    assert!(
        call("DELETE", &revoke, Value::Null)
            .await
            .refusal(422)
            .contains("dev")
    );
    call("PATCH", &of_space, json!({ "data": null }))
        .await
        .expect(200);
    assert!(
        call("DELETE", &path, Value::Null)
            .await
            .refusal(422)
            .contains("Revoke")
    );
    call("DELETE", &revoke, Value::Null).await.expect(204);
    call("DELETE", &path, Value::Null).await.expect(204);
    let shared = platform.get("/v3/isolation_segments?names=shared").await;
    let shared = format!("/v3/isolation_segments/{}", guid(&shared["resources"][0]));
    let refused = call("PATCH", &shared, json!({ "name": "x" }))
        .await
        .refusal(422);
    assert_eq!(refused, "Cannot update the shared Isolation Segment");
    call("DELETE", &shared, Value::Null).await.refusal(422);
}

#[tokio::test]
async fn groups_give_and_take_rights() {
    let platform = Platform::start().await;
    let (_, space) = platform.home().await;
    let (ann, token) = platform.user("ann").await;
    let path = format!("/v3/spaces/{space}");
    let group = async |name: &str| {
        let filter = format!("/Groups?filter=displayName+eq+%22cloud_controller.{name}%22");
        let found = platform.get(&filter).await;
        assert_eq!(found["totalResults"], 1);
        format!("/Groups/{}", found["resources"][0]["id"].as_str().unwrap())
    };
    platform
        .call(&token, "GET", &path, Value::Null)
        .await
        .expect(404);
    let readers = group("admin_read_only").await;
    let members = format!("{readers}/members");
    platform
        .make(
            &members,
            json!({ "value": ann, "type": "USER", "origin": "uaa" }),
        )
        .await;
    platform
        .call(&token, "GET", &path, Value::Null)
        .await
        .expect(200);
    platform
        .call(&token, "DELETE", &path, Value::Null)
        .await
        .refusal(403);
    let again = platform.log_in("ann", super::harness::PASSWORD).await;
    let form = format!("token={again}");
    let claims = platform.form("/check_token", &form).await.expect(200);
    let scopes = claims["scope"].as_array().unwrap();
    assert!(
        scopes.contains(&json!("cloud_controller.admin_read_only")),
        "{claims}"
    );
    let member = format!("{members}/{ann}");
    platform
        .call(&platform.admin, "DELETE", &member, Value::Null)
        .await
        .expect(200);
    platform
        .call(&token, "GET", &path, Value::Null)
        .await
        .expect(404);

    let admins = group("admin").await;
    let shown = platform.get(&admins).await;
    let only = shown["members"][0]["value"].as_str().unwrap().to_owned();
    let last = format!("{admins}/members/{only}");
    platform
        .call(&platform.admin, "DELETE", &last, Value::Null)
        .await
        .expect(400);
    platform
        .make(&format!("{admins}/members"), json!({ "value": ann }))
        .await;
    platform
        .call(&token, "GET", "/Users", Value::Null)
        .await
        .expect(200);
    let shown = platform.get(&format!("/Users/{ann}")).await;
    assert_eq!(shown["groups"][0]["display"], "cloud_controller.admin");
    platform
        .call(&platform.admin, "DELETE", &admins, Value::Null)
        .await
        .expect(400);

    let made = platform.make(
        "/Groups",
        json!({
            "displayName": "teachers", "members": [{ "value": ann }],
        }),
    );
    let path = format!("/Groups/{}", made.await["id"].as_str().unwrap());
    let body = json!({ "displayName": "Teachers", "description": "Who teaches" });
    let changed = platform
        .call(&platform.admin, "PUT", &path, body)
        .await
        .expect(200);
    assert_eq!(changed["members"], json!([]));
    let body = json!({ "displayName": "TEACHERS" });
    platform
        .call(&platform.admin, "POST", "/Groups", body)
        .await
        .expect(409);
    platform
        .call(&platform.admin, "DELETE", &path, Value::Null)
        .await
        .expect(200);
    let wrong = "/Groups?filter=colour+eq+%22x%22";
    platform
        .call(&platform.admin, "GET", wrong, Value::Null)
        .await
        .expect(400);
}

#[tokio::test]
async fn stacks_are_made_and_shut() {
    let platform = Platform::start().await;
    let (_, space) = platform.home().await;
    let change = async |method: &str, path: &str, body: Value| {
        platform.call(&platform.admin, method, path, body).await
    };
    let body = json!({ "name": "next", "description": "to try", "metadata": {
        "labels": { "year": "2027" },
    } });
    let made = platform.make("/v3/stacks", body.clone()).await;
    assert_eq!(
        (&made["state"], &made["default"]),
        (&json!("ACTIVE"), &json!(false))
    );
    let again = change("POST", "/v3/stacks", body).await;
    assert_eq!(again.refusal(422), "Name must be unique");
    let wrong = change(
        "POST",
        "/v3/stacks",
        json!({ "name": "x", "state": "OPEN" }),
    )
    .await;
    let text = "State must be one of ACTIVE, RESTRICTED, DEPRECATED, DISABLED";
    assert_eq!(wrong.refusal(422), text);
    let names = async |query: &str| {
        super::harness::all(&platform.get(&format!("/v3/stacks?{query}")).await, "name")
    };
    assert_eq!(names("order_by=-name").await, ["next", "cflinuxfs4"]);
    assert_eq!(names("default=true").await, ["cflinuxfs4"]);
    assert_eq!(names("label_selector=year").await, ["next"]);

    let stack = format!("/v3/stacks/{}", made["guid"].as_str().unwrap());
    let app = |name: &str| {
        json!({
            "name": name, "lifecycle": { "type": "buildpack", "data": { "stack": "next" } },
            "relationships": { "space": super::harness::to_one(&space) },
        })
    };
    let kept = platform.make("/v3/apps", app("kept")).await;
    assert_eq!(
        platform.get(&format!("{stack}/apps")).await["resources"][0]["name"],
        "kept"
    );
    let shut = json!({ "state": "RESTRICTED", "state_reason": "Use cflinuxfs4." });
    change("PATCH", &stack, shut).await.expect(200);
    let refused = change("POST", "/v3/apps", app("late")).await;
    assert_eq!(
        refused.refusal(422),
        "ERROR: Staging failed. The stack 'next' is 'RESTRICTED' and cannot be used for staging. \
         Use cflinuxfs4."
    );
    let refused = change("DELETE", &stack, Value::Null).await;
    assert!(
        refused
            .refusal(422)
            .contains("apps are currently using the stack")
    );
    let path = format!("/v3/apps/{}", kept["guid"].as_str().unwrap());
    change("DELETE", &path, Value::Null).await.expect(202);
    change("DELETE", &stack, Value::Null).await.expect(204);
    change("GET", &stack, Value::Null).await.expect(404);

    // The platform's own changes, and stays.
    let own = format!(
        "/v3/stacks/{}",
        platform.get("/v3/stacks").await["resources"][0]["guid"]
            .as_str()
            .unwrap()
    );
    change(
        "PATCH",
        &own,
        json!({ "metadata": { "labels": { "a": "b" } } }),
    )
    .await
    .expect(200);
    assert_eq!(
        platform.get(&own).await["metadata"]["labels"],
        json!({ "a": "b" })
    );
    let refused = change("DELETE", &own, Value::Null).await;
    assert!(refused.refusal(422).contains("default of new apps"));
}
