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
    for (patch, words) in [
        (
            json!({ "loadbalancing": "magic" }),
            "Options Loadbalancing must be one of 'round-robin, least-connection' if present",
        ),
        (
            json!({ "colour": "red" }),
            "Options Unknown field(s): 'colour'",
        ),
        (
            json!({ "loadbalancing": "x".repeat(1024) }),
            "Route options size exceeded: options must be smaller than 1024 bytes.",
        ),
    ] {
        let patch = json!({ "options": patch });
        assert_eq!(routes.call("PATCH", &path, patch).await.refusal(422), words);
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
async fn a_route_leads_to_apps_of_the_spaces_that_share_it() {
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
    assert_eq!(
        text,
        "Routes destinations must be in either the route's space or the route's shared spaces"
    );

    let shares = format!("/v3/routes/{route}/relationships/shared_spaces");
    let with = |space: &str| json!({ "data": [{ "guid": space }] });
    let off = routes
        .call("POST", &shares, with(&other))
        .await
        .refusal(403);
    assert_eq!(off, "Feature Disabled: route_sharing");
    let flag = "/v3/feature_flags/route_sharing";
    let on = json!({ "enabled": true });
    routes.call("PATCH", flag, on).await.expect(200);
    let text = routes
        .call("POST", &shares, with("nobody"))
        .await
        .refusal(422);
    assert_eq!(
        text,
        "Unable to share route web.apps.test with spaces ['nobody']. Ensure the spaces exist and \
         that you have access to them."
    );
    let own = with(&routes.space);
    let text = routes.call("POST", &shares, own).await.refusal(422);
    assert!(
        text.contains("into the space where they were created"),
        "{text}"
    );
    let shared = routes.call("POST", &shares, with(&other)).await.expect(200);
    assert_eq!(shared["data"][0]["guid"], other.as_str());
    assert_eq!(platform.get(&shares).await["data"], shared["data"]);
    let of_other = platform
        .get(&format!("/v3/routes?space_guids={other}"))
        .await;
    assert_eq!(all(&of_other, "guid"), std::slice::from_ref(&route));
    // Who has a role there alone sees it in lists, as in Cloud Foundry.
    let (user, token) = platform.user("neighbour").await;
    platform.role("organization_user", &user, &org).await;
    platform.role("space_developer", &user, &other).await;
    let list = platform
        .call(&token, "GET", "/v3/routes", Value::Null)
        .await;
    assert_eq!(all(&list.expect(200), "guid"), std::slice::from_ref(&route));
    routes.call("POST", &path, to).await.expect(200);

    let transfer = format!("/v3/routes/{route}/relationships/space");
    let refused = platform
        .call(&token, "PATCH", &transfer, to_one(&other))
        .await;
    assert_eq!(refused.status, 404);
    let text = routes
        .call("PATCH", &transfer, to_one("nobody"))
        .await
        .refusal(422);
    assert_eq!(
        text,
        "Unable to transfer owner of route 'web.apps.test' to space 'nobody'. Ensure the space \
         exists and that you have access to it."
    );
    let moved = routes.call("PATCH", &transfer, to_one(&other)).await;
    assert_eq!(moved.expect(200), json!({ "status": "ok" }));
    let now = platform.get(&format!("/v3/routes/{route}")).await;
    assert_eq!(now["relationships"]["space"], to_one(&other));
    // The space that had it keeps a share of it.
    let left = platform.get(&shares).await;
    assert_eq!(all_of(&left), std::slice::from_ref(&routes.space));

    let one = |space: &str| format!("{shares}/{space}");
    let text = routes
        .call("DELETE", &one(&other), Value::Null)
        .await
        .refusal(422);
    assert!(text.contains("from the space that owns them"), "{text}");
    let gone = routes
        .call("DELETE", &one(&routes.space), Value::Null)
        .await;
    gone.expect(204);
    assert!(all_of(&platform.get(&shares).await).is_empty());

    let events = format!("/v3/audit_events?target_guids={route}&order_by=created_at");
    let events = platform.get(&events).await;
    let kinds = all(&events, "type");
    let wanted = ["create", "share", "transfer-owner", "unshare"];
    assert_eq!(kinds, wanted.map(|kind| format!("audit.route.{kind}")));
    let event = |at: usize| &events["resources"][at];
    assert_eq!(event(1)["data"], json!({ "target_space_guids": [other] }));
    assert_eq!(event(2)["space"]["guid"], routes.space.as_str());
    assert_eq!(
        event(3)["data"],
        json!({ "target_space_guid": routes.space })
    );
    platform.delete(&format!("/v3/spaces/{other}")).await;
    let left = platform.get("/v3/routes").await;
    assert!(all(&left, "guid").is_empty());
}

fn all_of(relationship: &Value) -> Vec<String> {
    let data = relationship["data"].as_array().unwrap();
    data.iter().map(guid).collect()
}

#[tokio::test]
async fn tcp_routes_are_ports_of_the_router_group() {
    let routes = Routes::start().await;
    let platform = &routes.platform;
    let (org, _) = platform.home().await;
    let groups = platform.get("/routing/v1/router_groups").await;
    let group = guid(&groups[0]);
    assert_eq!(
        groups,
        json!([{
            "guid": group, "name": "default-tcp", "type": "tcp", "reservable_ports": "61000-61002",
        }])
    );
    let named = "/routing/v1/router_groups?name=";
    assert_eq!(platform.get(&format!("{named}default-tcp")).await, groups);
    let path = format!("{named}other");
    let missing = routes.call("GET", &path, Value::Null).await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json["message"], "Router Group 'other' not found");

    let domain = |group: &str, more: Value| {
        let mut body = json!({ "name": "tcp.test", "router_group": { "guid": group } });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap());
        body
    };
    for (body, words) in [
        (
            domain("x", json!({})),
            "Router group with guid 'x' not found.",
        ),
        (
            domain(&group, json!({ "internal": true })),
            "Internal domains cannot be associated to a router group.",
        ),
        (
            domain(
                &group,
                json!({ "relationships": { "organization": to_one(&org) } }),
            ),
            "Domains scoped to an organization cannot be associated to a router group.",
        ),
    ] {
        let refused = routes.call("POST", "/v3/domains", body).await.refusal(422);
        assert_eq!(refused, words);
    }
    let made = platform
        .make("/v3/domains", domain(&group, json!({})))
        .await;
    assert_eq!(made["router_group"], json!({ "guid": group }));
    assert_eq!(made["supported_protocols"], json!(["tcp"]));
    let tcp = guid(&made);

    let make = async |domain: &str, more: Value| {
        let mut body = json!({
            "relationships": { "space": to_one(&routes.space), "domain": to_one(domain) },
        });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap());
        routes.call("POST", "/v3/routes", body).await
    };
    for (domain, more, words) in [
        (
            &tcp,
            json!({ "host": "a" }),
            "Hosts are not supported for TCP routes.",
        ),
        (
            &tcp,
            json!({ "path": "/a" }),
            "Paths are not supported for TCP routes.",
        ),
        (
            &tcp,
            json!({ "port": 1024 }),
            "Port '1024' is not available. Try a different port or use a different domain.",
        ),
        (
            &tcp,
            json!({ "port": 70000 }),
            "Port must be less than or equal to 65535",
        ),
        (
            &routes.domain,
            json!({ "host": "a", "port": 61000 }),
            "Routes with protocol 'http' do not support ports.",
        ),
    ] {
        assert_eq!(make(domain, more).await.refusal(422), words);
    }
    let first = make(&tcp, json!({ "port": 61001 })).await.expect(201);
    assert_eq!(first["url"], "tcp.test:61001");
    assert_eq!(
        (&first["protocol"], &first["port"], &first["host"]),
        (&json!("tcp"), &json!(61001), &json!(""))
    );
    assert_eq!(
        make(&tcp, json!({ "port": 61001 })).await.refusal(422),
        "Route already exists with port '61001' for domain 'tcp.test'."
    );
    // The rest is given out until there is none.
    let mut ports = Vec::new();
    for _ in 0..2 {
        let made = make(&tcp, json!({})).await.expect(201);
        ports.push(made["port"].as_u64().unwrap());
    }
    ports.sort_unstable();
    assert_eq!(ports, [61000, 61002]);
    assert_eq!(
        make(&tcp, json!({})).await.refusal(422),
        "There are no more ports available for this domain."
    );
    let found = platform.get("/v3/routes?ports=61001&hosts=&paths=").await;
    assert_eq!(all(&found, "guid"), [guid(&first)]);
    for (port, expected) in [("61001", true), ("1024", false)] {
        let path = format!("/v3/domains/{tcp}/route_reservations?port={port}");
        assert_eq!(platform.get(&path).await["matching_route"], expected);
    }

    let app = platform.app("game", &routes.space).await;
    let path = format!("/v3/routes/{}/destinations", guid(&first));
    let to = |protocol: Value| json!({ "destinations": [{ "app": { "guid": app }, "port": 9000, "protocol": protocol }] });
    let text = routes.call("POST", &path, to(json!("http1"))).await;
    assert_eq!(
        text.refusal(422),
        "Cannot use 'http1' protocol for tcp routes; valid options are: [tcp]."
    );
    let mapped = routes
        .call("POST", &path, to(Value::Null))
        .await
        .expect(200);
    let destination = &mapped["destinations"][0];
    assert_eq!(
        (&destination["protocol"], &destination["port"]),
        (&json!("tcp"), &json!(9000))
    );
    let one = format!("{path}/{}", guid(destination));
    let text = routes
        .call("PATCH", &one, json!({ "protocol": "http2" }))
        .await
        .refusal(422);
    assert!(text.contains("must be 'tcp' if"), "{text}");
    let manifest = platform.get(&format!("/v3/apps/{app}/manifest")).await;
    let manifest = manifest.as_str().unwrap();
    assert!(manifest.contains("tcp.test:61001"), "{manifest}");
    assert!(manifest.contains("protocol: tcp"), "{manifest}");

    // Ports count in quotas.
    let usage = format!("/v3/organizations/{org}/usage_summary");
    assert_eq!(
        platform.get(&usage).await["usage_summary"]["reserved_ports"],
        3
    );
    platform
        .delete(&format!("/v3/routes/{}", guid(&first)))
        .await;
    let quota = json!({ "name": "few", "routes": { "total_reserved_ports": 2 },
        "relationships": { "organizations": { "data": [{ "guid": org }] } } });
    platform.make("/v3/organization_quotas", quota).await;
    let text = make(&tcp, json!({})).await.refusal(422);
    assert!(
        text.contains("Reserved route ports quota exceeded"),
        "{text}"
    );
}
