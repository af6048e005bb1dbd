//! Organizations, spaces and domains.

use pastina::model::AppId;
use serde_json::{Value, json};

use super::harness::{Platform, all, guid, to_one};

#[tokio::test]
async fn an_organization_goes_with_all_that_is_in_it() {
    let platform = Platform::start().await;
    let body = json!({ "name": "lab", "metadata": { "labels": { "term": "2026" } } });
    let org = guid(&platform.make("/v3/organizations", body).await);
    let again = json!({ "name": "LAB" });
    let answer = platform
        .call(&platform.admin, "POST", "/v3/organizations", again)
        .await;
    assert_eq!(answer.refusal(422), "Organization 'LAB' already exists.");
    let path = format!("/v3/organizations/{org}");
    let patch = json!({ "name": "dev" });
    let answer = platform.call(&platform.admin, "PATCH", &path, patch).await;
    assert_eq!(
        answer.refusal(422),
        "Organization name 'dev' is already taken."
    );
    let patch = json!({ "name": "lab2", "metadata": { "labels": { "term": null, "a": "b" } } });
    let changed = platform
        .call(&platform.admin, "PATCH", &path, patch)
        .await
        .expect(200);
    assert_eq!(changed["metadata"]["labels"], json!({ "a": "b" }));

    let body = json!({ "name": "web", "relationships": { "organization": to_one(&org) } });
    let space = guid(&platform.make("/v3/spaces", body).await);
    let body = json!({ "name": "lab.kr", "relationships": { "organization": to_one(&org) } });
    let domain = guid(&platform.make("/v3/domains", body).await);
    let relationships = json!({ "space": to_one(&space), "domain": to_one(&domain) });
    let body = json!({ "host": "a", "relationships": relationships });
    let route = guid(&platform.make("/v3/routes", body).await);
    let app = platform.app("a", &space).await;
    let usage = platform.get(&format!("{path}/usage_summary")).await;
    assert_eq!(usage["usage_summary"]["routes"], 1);
    assert_eq!(usage["usage_summary"]["domains"], 1);

    platform.delete(&path).await;
    let state = platform.store.state();
    assert!(!state.apps.contains_key(&app.parse::<AppId>().unwrap()));
    for path in [
        path,
        format!("/v3/spaces/{space}"),
        format!("/v3/domains/{domain}"),
        format!("/v3/routes/{route}"),
    ] {
        let answer = platform
            .call(&platform.admin, "GET", &path, Value::Null)
            .await;
        answer.expect(404);
    }
    let events = platform
        .get(&format!("/v3/audit_events?target_guids={org}"))
        .await;
    assert_eq!(events["pagination"]["total_results"], 3);
}

#[tokio::test]
async fn spaces_are_unique_in_their_organization() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let make = async |name: &str, org: &str| {
        let body = json!({ "name": name, "relationships": { "organization": to_one(org) } });
        platform
            .call(&platform.admin, "POST", "/v3/spaces", body)
            .await
    };
    assert_eq!(
        make("DEV", &org).await.refusal(422),
        "Name must be unique per organization"
    );
    let nowhere = "00000000-0000-4000-8000-0000000000ff";
    assert!(
        make("x", nowhere)
            .await
            .refusal(422)
            .contains("Invalid organization")
    );
    make("test", &org).await.expect(201);
    let path = format!("/v3/spaces?organization_guids={org}&order_by=-name&include=organization");
    let list = platform.get(&path).await;
    assert_eq!(all(&list, "name"), ["test", "dev"]);
    assert_eq!(list["included"]["organizations"][0]["guid"], org);
    assert_eq!(
        list["included"]["organizations"].as_array().unwrap().len(),
        1
    );

    let path = format!("/v3/spaces/{space}/features/ssh");
    assert_eq!(platform.get(&path).await["enabled"], true);
    let patch = json!({ "enabled": false });
    platform
        .call(&platform.admin, "PATCH", &path, patch)
        .await
        .expect(200);
    assert_eq!(platform.get(&path).await["enabled"], false);
    let segment = format!("/v3/spaces/{space}/relationships/isolation_segment");
    assert_eq!(platform.get(&segment).await["data"], Value::Null);
}

#[tokio::test]
async fn domains_are_shared_or_private() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let other = platform
        .make("/v3/organizations", json!({ "name": "other" }))
        .await;
    let other = guid(&other);
    let make = async |name: &str, owner: Option<&str>| {
        let mut body = json!({ "name": name });
        if let Some(owner) = owner {
            body["relationships"] = json!({ "organization": to_one(owner) });
        }
        platform
            .call(&platform.admin, "POST", "/v3/domains", body)
            .await
    };
    let default = format!("/v3/organizations/{org}/domains/default");
    assert_eq!(platform.get(&default).await["name"], "apps.test");
    let private = guid(&make("dev.kr", Some(&org)).await.expect(201));
    assert_eq!(
        make("DEV.kr", Some(&other)).await.refusal(422),
        "The domain name \"dev.kr\" is already in use"
    );
    let text = make("a.dev.kr", Some(&other)).await.refusal(422);
    assert!(
        text.contains("already reserved by another domain"),
        "{text}"
    );
    make("kr", Some(&other)).await.refusal(422);
    make("b.dev.kr", Some(&org)).await.expect(201);
    let text = make("api.apps.test", None).await.refusal(422);
    assert!(text.contains("the platform itself uses it"), "{text}");
    make("no domain", None).await.refusal(422);

    let usable = async |org: &str| {
        let list = platform
            .get(&format!("/v3/organizations/{org}/domains"))
            .await;
        let mut names = all(&list, "name");
        names.sort();
        names
    };
    assert_eq!(usable(&other).await, ["apps.internal", "apps.test"]);
    let share = format!("/v3/domains/{private}/relationships/shared_organizations");
    let body = json!({ "data": [{ "guid": other }] });
    platform
        .call(&platform.admin, "POST", &share, body)
        .await
        .expect(200);
    assert_eq!(
        usable(&other).await,
        ["apps.internal", "apps.test", "dev.kr"]
    );
    let path = format!("/v3/domains/{private}");
    let answer = platform
        .call(&platform.admin, "DELETE", &path, Value::Null)
        .await;
    assert!(answer.refusal(422).contains("Unshare before"));
    let one = format!("{share}/{other}");
    platform
        .call(&platform.admin, "DELETE", &one, Value::Null)
        .await
        .expect(204);
    assert_eq!(usable(&other).await, ["apps.internal", "apps.test"]);

    let relationships = json!({ "space": to_one(&space), "domain": to_one(&private) });
    let body = json!({ "relationships": relationships });
    let route = platform.make("/v3/routes", body).await;
    assert_eq!(route["url"], "dev.kr");
    platform.delete(&path).await;
    let answer = platform
        .call(
            &platform.admin,
            "GET",
            &format!("/v3/routes/{}", guid(&route)),
            Value::Null,
        )
        .await;
    answer.expect(404);
    let own = guid(&platform.get("/v3/domains?names=apps.test").await["resources"][0]);
    let answer = platform
        .call(
            &platform.admin,
            "DELETE",
            &format!("/v3/domains/{own}"),
            Value::Null,
        )
        .await;
    assert!(answer.refusal(422).contains("platform's own domain"));
}
