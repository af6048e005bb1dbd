//! What Terraform's provider for Cloud Foundry sends and needs to see again, where that is its
//! own: a second plan shows a difference for whatever comes back otherwise than it was sent.

use serde_json::{Value, json};

use super::harness::{PASSWORD, Platform, all, guid, to_one};

#[tokio::test]
async fn nothing_is_said_in_its_own_way() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let change = async |method: &str, path: &str, body: Value| {
        let answer = platform.call(&platform.admin, method, path, body).await;
        answer.expect(200)
    };
    // A relationship that is not set.
    let segment = guid(
        &platform
            .make("/v3/isolation_segments", json!({ "name": "gpu" }))
            .await,
    );
    let path = format!("/v3/isolation_segments/{segment}/relationships/organizations");
    change("POST", &path, json!({ "data": [{ "guid": org }] })).await;
    let places = [
        format!("/v3/organizations/{org}/relationships/default_isolation_segment"),
        format!("/v3/spaces/{space}/relationships/isolation_segment"),
    ];
    for path in &places {
        let set = change("PATCH", path, to_one(&segment)).await;
        assert_eq!(set["data"]["guid"], json!(segment));
        let unset = change("PATCH", path, json!({ "data": { "guid": null } })).await;
        assert_eq!(unset["data"], Value::Null);
    }
    // A group whose rules are taken away.
    let rule = json!({ "protocol": "tcp", "destination": "10.0.0.0/8", "ports": "443" });
    let group = json!({ "name": "rules", "rules": [rule] });
    let group = guid(&platform.make("/v3/security_groups", group).await);
    let path = format!("/v3/security_groups/{group}");
    let bare = change("PATCH", &path, json!({ "name": "rules", "rules": [null] })).await;
    assert_eq!(bare["rules"], json!([]));
    // Metadata that is not there, and a label that goes.
    let path = format!("/v3/spaces/{space}");
    let labels = json!({ "metadata": { "labels": { "a": "1", "b": "2" }, "annotations": null } });
    change("PATCH", &path, labels).await;
    let labels = json!({ "metadata": { "labels": { "a": null, "b": "3" }, "annotations": null } });
    let left = change("PATCH", &path, labels).await;
    assert_eq!(
        left["metadata"],
        json!({ "labels": { "b": "3" }, "annotations": {} })
    );
}

#[tokio::test]
async fn quotas_come_back_as_they_were_sent() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let limits = json!({
        "apps": {
            "total_memory_in_mb": 51200, "per_process_memory_in_mb": 2048,
            "log_rate_limit_in_bytes_per_second": 100, "total_instances": 100,
            "per_app_tasks": null,
        },
        "services": {
            "paid_services_allowed": true, "total_service_instances": null,
            "total_service_keys": 10,
        },
        "routes": { "total_routes": null, "total_reserved_ports": null },
    });
    let mut quota = limits.clone();
    quota["name"] = json!("class");
    quota["domains"] = json!({ "total_domains": 100 });
    let made = platform
        .make("/v3/organization_quotas", quota.clone())
        .await;
    let path = format!("/v3/organization_quotas?guids={}", guid(&made));
    let seen = platform.get(&path).await["resources"][0].clone();
    let mut student = limits;
    student["name"] = json!("student");
    student["relationships"] = json!({
        "organization": to_one(&org), "spaces": { "data": [{ "guid": space }] },
    });
    let made = platform.make("/v3/space_quotas", student.clone()).await;
    let path = format!("/v3/space_quotas?guids={}", guid(&made));
    let of_space = platform.get(&path).await["resources"][0].clone();
    for (sent, seen) in [(&quota, &seen), (&student, &of_space)] {
        for (key, value) in sent.as_object().unwrap() {
            if key != "relationships" {
                assert_eq!(&seen[key], value, "{key}");
            }
        }
    }
    assert_eq!(
        of_space["relationships"]["spaces"]["data"][0]["guid"],
        json!(space)
    );
}

#[tokio::test]
async fn a_user_of_uaa_is_one_of_the_api_when_it_is_told() {
    let platform = Platform::start().await;
    let (org, _) = platform.home().await;
    let login = async |name: &str| {
        let body = json!({ "userName": name, "password": PASSWORD, "origin": "uaa" });
        let made = platform.make("/Users", body).await;
        made["id"].as_str().unwrap().to_owned()
    };
    let show = async |guid: &str| {
        let path = format!("/v3/users/{guid}");
        let answer = platform.call(&platform.admin, "GET", &path, Value::Null);
        answer.await.status
    };
    let ann = login("ann").await;
    assert_eq!(show(&ann).await, 404);
    assert_eq!(
        platform.get("/v3/users?usernames=ann").await["resources"],
        json!([])
    );
    // What is told with the guid is kept: the provider compares it with its plan.
    let metadata = json!({ "labels": { "kind": "person" }, "annotations": { "hi": "ho" } });
    let body = json!({ "guid": ann, "metadata": metadata });
    let made = platform.make("/v3/users", body.clone()).await;
    assert_eq!(
        (&made["username"], &made["metadata"]),
        (&json!("ann"), &metadata)
    );
    assert_eq!(show(&ann).await, 200);
    let again = platform.call(&platform.admin, "POST", "/v3/users", body);
    assert_eq!(
        again.await.refusal(422),
        format!("User with guid '{ann}' already exists.")
    );
    // Who logs in or gets a role is known by that.
    let bob = login("bob").await;
    platform.log_in("bob", PASSWORD).await;
    let cho = login("cho").await;
    let by_name = json!({ "type": "organization_user", "relationships": {
        "user": { "data": { "username": "cho", "origin": "uaa" } }, "organization": to_one(&org),
    } });
    platform.make("/v3/roles", by_name).await;
    assert_eq!((show(&bob).await, show(&cho).await), (200, 200));
}

#[tokio::test]
async fn a_guid_that_uaa_does_not_know_is_a_user_without_a_name() {
    let platform = Platform::start().await;
    let (org, _) = platform.home().await;
    let stranger = "0c52df7e-3af0-4ad3-9a76-6f0b3ba26f8e";
    let made = platform
        .make("/v3/users", json!({ "guid": stranger }))
        .await;
    assert_eq!(
        (&made["username"], &made["origin"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(made["presentation_name"], stranger);
    platform.role("organization_user", stranger, &org).await;
    let named = platform
        .get(&format!("/v3/users?usernames={stranger}"))
        .await;
    assert_eq!(named["resources"], json!([]));
    let path = format!("/Users/{stranger}");
    let answer = platform.call(&platform.admin, "GET", &path, Value::Null);
    answer.await.expect(404);
    platform.delete(&format!("/v3/users/{stranger}")).await;
}

#[tokio::test]
async fn network_policies_keep_the_order_of_their_request() {
    let platform = Platform::start().await;
    let (_, space) = platform.home().await;
    let (one, two) = (
        platform.app("one", &space).await,
        platform.app("two", &space).await,
    );
    let path = "/networking/v1/external/policies";
    let policies: Vec<Value> = (0..16)
        .map(|n| {
            json!({ "source": { "id": one }, "destination": {
                "id": two, "protocol": "tcp", "ports": { "start": 9000 - n, "end": 9000 },
            } })
        })
        .collect();
    let body = json!({ "policies": policies });
    let send =
        async |token: &str, path: &str| platform.call(token, "POST", path, body.clone()).await;
    send(&platform.admin, path).await.expect(200);
    assert_eq!(platform.get(path).await["policies"], body["policies"]);
    // A plan that replaces an app has it deleted before its policies.
    platform.delete(&format!("/v3/apps/{two}")).await;
    let delete = format!("{path}/delete");
    send(&platform.admin, &delete).await.expect(200);
    let (user, token) = platform.user("ann").await;
    assert_eq!(send(&token, &delete).await.status, 403);
    platform.enter("network.admin", &user).await;
    let token = platform.log_in("ann", PASSWORD).await;
    send(&token, &delete).await.expect(200);
    assert_eq!(send(&token, path).await.status, 403);
}

#[tokio::test]
async fn a_buildpack_stays_where_it_was_put() {
    let platform = Platform::start().await;
    let order = async || all(&platform.get("/v3/buildpacks").await, "name");
    let known = order().await;
    let make = async |name: &str, position: usize| {
        let body = json!({ "name": name, "position": position, "stack": "cflinuxfs4" });
        platform.make("/v3/buildpacks", body).await
    };
    let mut expected = known.clone();
    let third = make("third", 3).await;
    assert_eq!(third["position"], 3);
    expected.insert(2, "third".to_owned());
    assert_eq!(order().await, expected);
    let last = make("last", 999).await;
    assert_eq!(last["position"], expected.len() + 1);
    expected.push("last".to_owned());
    assert_eq!(order().await, expected);
    let path = |of: &Value| format!("/v3/buildpacks/{}", guid(of));
    let body = json!({ "position": 5 });
    let third_path = path(&third);
    let answer = platform.call(&platform.admin, "PATCH", &third_path, body);
    assert_eq!(answer.await.expect(200)["position"], 5);
    expected.remove(2);
    expected.insert(4, "third".to_owned());
    assert_eq!(order().await, expected);
    let positions: Vec<_> = platform.get("/v3/buildpacks").await["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["position"].as_u64().unwrap())
        .collect();
    assert_eq!(positions, Vec::from_iter(1..=expected.len() as u64));
    platform.delete(&path(&third)).await;
    platform.delete(&path(&last)).await;
    assert_eq!(order().await, known);
}

#[tokio::test]
async fn router_groups_are_for_those_with_the_scope() {
    let platform = Platform::start().await;
    let (user, token) = platform.user("ann").await;
    let path = "/routing/v1/router_groups";
    let list = async |token: &str| platform.call(token, "GET", path, Value::Null).await;
    assert_eq!(list(&token).await.expect(401)["name"], "UnauthorizedError");
    platform.enter("routing.router_groups.read", &user).await;
    let token = platform.log_in("ann", PASSWORD).await;
    assert_eq!(list(&token).await.expect(200)[0]["name"], "default-tcp");
    list(&platform.admin).await.expect(200);
}
