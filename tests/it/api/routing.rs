//! Routes and their destinations.

use serde_json::{Value, json};

use super::harness::{Answer, Platform, all, guid, to_one};

struct Routes {
    platform: Platform,
    space: String,
    domain: String,
}

impl Routes {
    async fn start() -> Self {
        let platform = Platform::start().await;
        let (_, space) = platform.home().await;
        let domain = guid(&platform.get("/v3/domains?names=apps.test").await["resources"][0]);
        Self {
            platform,
            space,
            domain,
        }
    }

    async fn make_in(&self, space: &str, host: &str, path: &str) -> Answer {
        let body = json!({
            "host": host,
            "path": path,
            "relationships": { "space": to_one(space), "domain": to_one(&self.domain) },
        });
        self.call("POST", "/v3/routes", body).await
    }

    async fn make(&self, host: &str, path: &str) -> Answer {
        self.make_in(&self.space, host, path).await
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        let platform = &self.platform;
        platform.call(&platform.admin, method, path, body).await
    }
}

#[tokio::test]
async fn urls_are_unique_and_hosts_belong_to_one_space() {
    let routes = Routes::start().await;
    let platform = &routes.platform;
    let (org, _) = platform.home().await;
    let body = json!({ "name": "other", "relationships": { "organization": to_one(&org) } });
    let other = guid(&platform.make("/v3/spaces", body).await);

    let made = routes.make("Web", "").await.expect(201);
    assert_eq!(made["url"], "web.apps.test");
    assert_eq!(made["options"], Value::Null);
    assert!(!made.as_object().unwrap().contains_key("options"));
    assert_eq!(
        routes.make("web", "").await.refusal(422),
        "Route already exists with host 'web' for domain 'apps.test'."
    );
    routes.make("web", "/v1").await.expect(201);
    assert_eq!(
        routes.make("web", "/v1").await.refusal(422),
        "Route already exists with host 'web' and path '/v1' for domain 'apps.test'."
    );
    let text = routes.make_in(&other, "web", "/v2").await.refusal(422);
    assert!(text.contains("reserved for another space"), "{text}");
    for (host, path, reason) in [
        ("api", "", "reserved by the platform"),
        ("", "", "Missing host"),
        ("a b", "", "host"),
        ("x", "v1", "must start with '/'"),
        ("x", "/?a", "URL path"),
    ] {
        let text = routes.make(host, path).await.refusal(422);
        assert!(text.contains(reason), "{host:?} {path:?}: {text}");
    }

    let list = |query: String| async move {
        all(&platform.get(&format!("/v3/routes?{query}")).await, "url")
    };
    assert_eq!(
        list(format!("domain_guids={}&hosts=web&paths=", routes.domain)).await,
        ["web.apps.test"]
    );
    assert_eq!(list("paths=/v1".to_owned()).await, ["web.apps.test/v1"]);
    assert_eq!(list(format!("organization_guids={org}")).await.len(), 2);
    assert_eq!(list(format!("space_guids={other}")).await.len(), 0);
    assert_eq!(list("ports=1024".to_owned()).await.len(), 0);
    let path = format!(
        "/v3/domains/{}/route_reservations?host=web&path=/v1",
        routes.domain
    );
    assert_eq!(platform.get(&path).await["matching_route"], true);
    let list = platform
        .get("/v3/routes?include=domain,space.organization")
        .await;
    assert_eq!(list["included"]["domains"][0]["name"], "apps.test");
    assert_eq!(list["included"]["organizations"][0]["name"], "dev");
}

#[tokio::test]
async fn a_route_leads_where_it_is_told() {
    let routes = Routes::start().await;
    let platform = &routes.platform;
    let route = guid(&routes.make("web", "").await.expect(201));
    let path = format!("/v3/routes/{route}/destinations");
    let app = platform.app("web", &routes.space).await;
    let other = platform.app("other", &routes.space).await;
    let to = |app: &str| json!({ "destinations": [{ "app": { "guid": app } }] });

    let added = routes.call("POST", &path, to(&app)).await.expect(200);
    let first = &added["destinations"][0];
    assert_eq!(first["app"]["process"]["type"], "web");
    assert_eq!(first["port"], 8080);
    assert_eq!(first["protocol"], "http1");
    let again = routes.call("POST", &path, to(&app)).await.expect(200);
    assert_eq!(again["destinations"], added["destinations"]);
    let nobody = to("00000000-0000-4000-8000-0000000000ff");
    let text = routes.call("POST", &path, nobody).await.refusal(422);
    assert!(
        text.contains("do not exist or you do not have access"),
        "{text}"
    );

    let one = format!("{path}/{}", guid(first));
    let patch = json!({ "protocol": "http2" });
    let changed = routes.call("PATCH", &one, patch).await.expect(200);
    assert_eq!(changed["protocol"], "http2");
    routes
        .call("PATCH", &one, json!({ "protocol": "gopher" }))
        .await
        .refusal(422);

    let shares = |a: u32, b: u32| {
        json!({ "destinations": [
            { "app": { "guid": app }, "weight": a },
            { "app": { "guid": other }, "weight": b },
        ] })
    };
    let text = routes
        .call("PATCH", &path, shares(50, 40))
        .await
        .refusal(422);
    assert!(text.contains("add up to 100"), "{text}");
    let replaced = routes
        .call("PATCH", &path, shares(60, 40))
        .await
        .expect(200);
    assert_eq!(replaced["destinations"][1]["weight"], 40);
    // Who stays keeps the guid.
    assert_eq!(replaced["destinations"][0]["guid"], first["guid"]);
    let of_app = platform.get(&format!("/v3/apps/{other}/routes")).await;
    assert_eq!(all(&of_app, "guid"), std::slice::from_ref(&route));

    routes.call("DELETE", &one, Value::Null).await.expect(204);
    routes.call("DELETE", &one, Value::Null).await.refusal(422);
    let events = platform
        .get(&format!("/v3/audit_events?target_guids={app}"))
        .await;
    assert_eq!(events["pagination"]["total_results"], 2);

    let patch = json!({ "options": { "loadbalancing": "least-connection" } });
    let path = format!("/v3/routes/{route}");
    let changed = routes.call("PATCH", &path, patch).await.expect(200);
    assert_eq!(changed["options"]["loadbalancing"], "least-connection");
    for patch in [
        json!({ "loadbalancing": "magic" }),
        json!({ "colour": "red" }),
    ] {
        routes
            .call("PATCH", &path, json!({ "options": patch }))
            .await
            .refusal(422);
    }
    let patch = json!({ "options": { "loadbalancing": null } });
    let changed = routes.call("PATCH", &path, patch).await.expect(200);
    assert_eq!(changed["options"], Value::Null);

    routes.make("orphan", "").await.expect(201);
    platform
        .delete(&format!("/v3/spaces/{}/routes?unmapped=true", routes.space))
        .await;
    let left = platform.get("/v3/routes").await;
    assert_eq!(all(&left, "host"), ["web"]);
    platform.delete(&path).await;
    routes.call("GET", &path, Value::Null).await.refusal(404);
}

#[tokio::test]
async fn an_app_of_another_space_is_out_of_reach() {
    let routes = Routes::start().await;
    let platform = &routes.platform;
    let (org, _) = platform.home().await;
    let body = json!({ "name": "other", "relationships": { "organization": to_one(&org) } });
    let other = guid(&platform.make("/v3/spaces", body).await);
    let app = platform.app("foreign", &other).await;
    let route = guid(&routes.make("web", "").await.expect(201));
    let path = format!("/v3/routes/{route}/destinations");
    let to = json!({ "destinations": [{ "app": { "guid": app } }] });
    let text = routes.call("POST", &path, to.clone()).await.refusal(422);
    assert!(text.contains("different spaces"), "{text}");
    let transfer = format!("/v3/routes/{route}/relationships/space");
    routes
        .call("PATCH", &transfer, to_one(&other))
        .await
        .expect(200);
    routes.call("POST", &path, to).await.expect(200);
    let text = routes
        .call("PATCH", &transfer, to_one(&routes.space))
        .await
        .refusal(422);
    assert!(text.contains("Unmap it first"), "{text}");
}
