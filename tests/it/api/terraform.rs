//! What Terraform's provider for Cloud Foundry sends and needs to see again, where that is its
//! own: a second plan shows a difference for whatever comes back otherwise than it was sent.

use serde_json::{Value, json};

use super::harness::{Platform, guid, to_one};

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
