//! Logging in, users and roles.

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::{Value, json};

use super::harness::{PASSWORD, Platform, all, guid, to_one};

#[tokio::test]
async fn a_login_renews_itself_and_ends() {
    let platform = Platform::start().await;
    let form = "grant_type=password&username=ADMIN&password=correct+horse+battery";
    let answer = platform.form("/oauth/token", form).await;
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    let tokens = answer.expect(200);
    assert_eq!(tokens["token_type"], "bearer");
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let again = platform
        .form(
            "/oauth/token",
            &format!("grant_type=refresh_token&refresh_token={refresh}"),
        )
        .await
        .expect(200);
    let access = again["access_token"].as_str().unwrap();
    assert_eq!(again["refresh_token"], tokens["refresh_token"]);

    let info = platform.call(access, "GET", "/userinfo", Value::Null).await;
    assert_eq!(info.expect(200)["user_name"], "admin");
    let check = platform
        .form("/check_token", &format!("token={access}"))
        .await;
    assert_eq!(check.expect(200)["origin"], "uaa");
    let keys = platform.get("/token_keys").await;
    assert_eq!(keys["keys"][0]["alg"], "RS256");

    let jti = again["jti"].as_str().unwrap();
    let path = format!("/oauth/token/revoke/{jti}");
    platform
        .call(access, "DELETE", &path, Value::Null)
        .await
        .expect(200);
    let answer = platform
        .call(access, "GET", "/v3/organizations", Value::Null)
        .await;
    assert_eq!(answer.refusal(401), "Invalid Auth Token");
    let answer = platform
        .form(
            "/oauth/token",
            &format!("grant_type=refresh_token&refresh_token={refresh}"),
        )
        .await;
    assert_eq!(answer.expect(401)["error"], "invalid_token");
}

#[tokio::test]
async fn logins_are_refused_in_uaas_words() {
    let platform = Platform::start().await;
    for (form, status, error) in [
        (
            "grant_type=password&username=admin&password=x",
            401,
            "unauthorized",
        ),
        (
            "grant_type=password&username=nobody&password=x",
            401,
            "unauthorized",
        ),
        ("grant_type=password&username=admin", 400, "invalid_request"),
        ("grant_type=password&passcode=x", 401, "unauthorized"),
        (
            "grant_type=client_credentials&client_id=a&client_secret=b",
            401,
            "invalid_client",
        ),
        ("grant_type=magic", 400, "unsupported_grant_type"),
        (
            "grant_type=refresh_token&refresh_token=a.b.c",
            401,
            "invalid_token",
        ),
        ("", 400, "invalid_request"),
    ] {
        let answer = platform.form("/oauth/token", form).await;
        assert_eq!(answer.expect(status)["error"], error, "{form}");
    }
    for _ in 0..4 {
        let form = "grant_type=password&username=admin&password=x";
        platform.form("/oauth/token", form).await.expect(401);
    }
    let form = "grant_type=password&username=admin&password=correct+horse+battery";
    let answer = platform.form("/oauth/token", form).await.expect(401);
    let text = answer["error_description"].as_str().unwrap();
    assert!(
        text.contains("locked because of too many failed attempts"),
        "{text}"
    );
    let bad_client = axum::http::Request::post("/oauth/token")
        .header(header::HOST, "x")
        .header(header::AUTHORIZATION, "Basic eDp5")
        .body(axum::body::Body::from("grant_type=password"))
        .unwrap();
    assert_eq!(
        platform.send(bad_client).await.expect(401)["error"],
        "invalid_client"
    );
}

#[tokio::test]
async fn users_come_and_go_as_the_cli_does_it() {
    let platform = Platform::start().await;
    let filter = "/Users?filter=userName+eq+%22Ann%22+and+origin+eq+%22uaa%22";
    assert_eq!(platform.get(filter).await["totalResults"], 0);
    let (ann, token) = platform.user("ann").await;
    assert_eq!(platform.get(filter).await["resources"][0]["id"], ann);
    let known = json!({ "guid": ann });
    let answer = platform.call(&platform.admin, "POST", "/v3/users", known);
    let refusal = answer.await.refusal(422);
    assert_eq!(refusal, format!("User with guid '{ann}' already exists."));
    let again = json!({ "userName": "ANN", "password": PASSWORD });
    let answer = platform
        .call(&platform.admin, "POST", "/Users", again)
        .await;
    assert_eq!(answer.expect(409)["error"], "scim_resource_already_exists");
    let weak = json!({ "userName": "bob", "password": "short" });
    let answer = platform.call(&platform.admin, "POST", "/Users", weak).await;
    assert_eq!(answer.expect(400)["error"], "invalid_scim_resource");

    // Others may neither list nor make users.
    let answer = platform.call(&token, "GET", filter, Value::Null).await;
    assert_eq!(answer.expect(403)["error"], "insufficient_scope");
    let new = json!({ "userName": "eve", "password": PASSWORD });
    platform
        .call(&token, "POST", "/Users", new)
        .await
        .expect(403);
    let list = platform.call(&token, "GET", "/v3/users", Value::Null).await;
    assert_eq!(all(&list.expect(200), "username"), ["ann"]);

    // A new password needs the old one, and ends what was.
    let path = format!("/Users/{ann}/password");
    let change = |old: &str, new: &str| json!({ "oldPassword": old, "password": new });
    let wrong = change("wrong", "another horse");
    platform.call(&token, "PUT", &path, wrong).await.expect(401);
    let weak = change(PASSWORD, "short");
    platform.call(&token, "PUT", &path, weak).await.expect(422);
    let right = change(PASSWORD, "another horse");
    let answer = platform.call(&token, "PUT", &path, right).await;
    assert_eq!(answer.expect(200)["status"], "ok");
    let answer = platform.call(&token, "GET", "/v3/users", Value::Null).await;
    assert_eq!(answer.status, 401);
    let token = platform.log_in("ann", "another horse").await;

    platform.delete(&format!("/v3/users/{ann}")).await;
    let path = format!("/Users/{ann}");
    let answer = platform
        .call(&platform.admin, "DELETE", &path, Value::Null)
        .await;
    assert_eq!(answer.expect(200)["id"], ann);
    let answer = platform.call(&token, "GET", "/v3/users", Value::Null).await;
    assert_eq!(answer.refusal(401), "Invalid Auth Token");
    let answer = platform
        .call(
            &platform.admin,
            "GET",
            &format!("/v3/users/{ann}"),
            Value::Null,
        )
        .await;
    assert_eq!(answer.refusal(404), "User not found");

    let admin = guid(&platform.get("/v3/users?usernames=admin").await["resources"][0]);
    let answer = platform
        .call(
            &platform.admin,
            "DELETE",
            &format!("/v3/users/{admin}"),
            Value::Null,
        )
        .await;
    assert!(answer.refusal(422).contains("only admin"));
}

#[tokio::test]
async fn roles_are_given_by_name_and_taken_again() {
    let platform = Platform::start().await;
    let (org, space) = platform.home().await;
    let (ann, _) = platform.user("ann").await;
    let body = |kind: &str, user: Value, scope: &str, place: &str| {
        let mut relationships = json!({ "user": { "data": user } });
        relationships[scope] = to_one(place);
        json!({ "type": kind, "relationships": relationships })
    };
    let give = async |body: Value| {
        platform
            .call(&platform.admin, "POST", "/v3/roles", body)
            .await
    };
    let by_name = json!({ "username": "Ann", "origin": "uaa" });
    let text = give(body("space_developer", by_name.clone(), "space", &space))
        .await
        .refusal(422);
    assert!(
        text.contains("do not have a role in that space's organization"),
        "{text}"
    );
    give(body(
        "organization_user",
        by_name.clone(),
        "organization",
        &org,
    ))
    .await
    .expect(201);
    let text = give(body(
        "organization_user",
        by_name.clone(),
        "organization",
        &org,
    ))
    .await
    .refusal(422);
    assert_eq!(
        text,
        "User 'ann' already has 'organization_user' role in organization 'dev'."
    );
    let role = give(body("space_developer", by_name, "space", &space))
        .await
        .expect(201);
    let eve = json!({ "username": "eve" });
    let text = give(body("organization_auditor", eve, "organization", &org))
        .await
        .refusal(422);
    assert_eq!(text, "No user exists with the username 'eve'.");
    let eve = json!({ "username": "eve", "origin": "uaa" });
    let text = give(body("organization_auditor", eve, "organization", &org))
        .await
        .refusal(422);
    assert_eq!(
        text,
        "No user exists with the username 'eve' and origin 'uaa'."
    );
    let user = json!({ "guid": ann });
    give(body("space_king", user.clone(), "space", &space))
        .await
        .refusal(422);
    give(body("space_manager", user, "organization", &org))
        .await
        .refusal(422);

    let path = format!("/v3/roles?space_guids={space}&user_guids={ann}&include=user,space");
    let list = platform.get(&path).await;
    assert_eq!(all(&list, "type"), ["space_developer"]);
    assert_eq!(list["included"]["users"][0]["username"], "ann");
    assert_eq!(list["included"]["spaces"][0]["guid"], space);
    let users = platform.get(&format!("/v3/spaces/{space}/users")).await;
    assert_eq!(all(&users, "username"), ["admin", "ann"]);

    let path = format!("/v3/roles?organization_guids={org}&user_guids={ann}");
    let membership = guid(&platform.get(&path).await["resources"][0]);
    let path = format!("/v3/roles/{membership}");
    let answer = platform
        .call(&platform.admin, "DELETE", &path, Value::Null)
        .await;
    assert!(answer.refusal(422).contains("has roles in spaces"));
    platform.delete(&format!("/v3/roles/{}", guid(&role))).await;
    platform.delete(&path).await;
    let events = platform
        .get(&format!("/v3/audit_events?target_guids={ann}"))
        .await;
    let mut kinds = all(&events, "type");
    // Some fall into one millisecond.
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            "audit.user.organization_user_add",
            "audit.user.organization_user_remove",
            "audit.user.space_developer_add",
            "audit.user.space_developer_remove",
        ]
    );
}

#[tokio::test]
async fn a_code_for_ssh_comes_in_a_redirection() {
    let platform = Platform::start().await;
    let ask = async |query: &str| {
        let path = format!("/oauth/authorize?{query}");
        platform
            .call(&platform.admin, "GET", &path, Value::Null)
            .await
    };
    let answer = ask("client_id=ssh-proxy&grant_type=authorization_code&response_type=code").await;
    assert_eq!(answer.status, 302);
    let location = answer.headers[header::LOCATION].to_str().unwrap();
    let (_, code) = location.split_once("?code=").unwrap();
    assert_eq!(code.len(), 32);
    let refused = ask("client_id=other&response_type=code").await;
    assert_eq!(refused.expect(400)["error"], "invalid_client");
    let refused = ask("client_id=ssh-proxy&response_type=token").await;
    assert_eq!(refused.expect(400)["error"], "unsupported_response_type");
    let path = "/oauth/authorize?client_id=ssh-proxy&response_type=code";
    let refused = platform.call("a.b.c", "GET", path, Value::Null).await;
    assert_eq!(refused.expect(401)["error"], "invalid_token");
}

#[tokio::test]
async fn scim_changes_who_people_are() {
    let platform = Platform::start().await;
    let new = json!({
        "userName": "ann", "password": PASSWORD,
        "name": { "givenName": "Ann", "familyName": "Kim" },
        "emails": [{ "value": "ann@uni.kr", "primary": true }],
    });
    let made = platform.make("/Users", new).await;
    assert_eq!(
        made["name"],
        json!({ "givenName": "Ann", "familyName": "Kim" })
    );
    assert_eq!(made["emails"][0]["value"], "ann@uni.kr");
    let path = format!("/Users/{}", made["id"].as_str().unwrap());
    let token = platform.log_in("ann", PASSWORD).await;
    let info = platform.call(&token, "GET", "/userinfo", Value::Null).await;
    let info = info.expect(200);
    assert_eq!(
        (&info["name"], &info["email"]),
        (&json!("Ann Kim"), &json!("ann@uni.kr"))
    );

    // As Terraform's provider does: no name any more, another address and name to log in by.
    let put = json!({
        "userName": "anna", "name": {}, "origin": "uaa",
        "emails": [{ "value": "anna@uni.kr", "primary": true }],
    });
    let changed = platform
        .call(&platform.admin, "PUT", &path, put)
        .await
        .expect(200);
    assert_eq!(
        (&changed["userName"], &changed["name"]),
        (&json!("anna"), &json!({}))
    );
    assert_eq!(changed["meta"]["version"], 1);
    platform.log_in("anna", PASSWORD).await;
    let filter = "/Users?filter=emails.value+eq+%22anna@uni.kr%22";
    assert_eq!(platform.get(filter).await["totalResults"], 1);

    // Of another version nothing is changed.
    let send = async |version: &str, body: &str| {
        let request = Request::patch(&path)
            .header(header::HOST, "api.apps.test")
            .header(header::AUTHORIZATION, format!("bearer {}", platform.admin))
            .header(header::IF_MATCH, version);
        platform
            .send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    };
    send("0", r#"{"active":false}"#).await.expect(412);
    let shown = send("1", r#"{"active":false}"#).await.expect(200);
    assert_eq!(
        (&shown["active"], &shown["userName"]),
        (&json!(false), &json!("anna"))
    );
    // Who is shut out is logged out, and stays out until somebody lets them in.
    platform
        .call(&token, "GET", "/userinfo", Value::Null)
        .await
        .expect(401);
    let form = format!(
        "grant_type=password&username=anna&password={}",
        PASSWORD.replace(' ', "+")
    );
    platform.form("/oauth/token", &form).await.expect(401);
    send("*", r#"{"active":true}"#).await.expect(200);
    platform.form("/oauth/token", &form).await.expect(200);

    for (body, status, error) in [
        (
            json!({ "userName": "admin" }),
            409,
            "scim_resource_already_exists",
        ),
        (json!({ "name": {} }), 400, "invalid_scim_resource"),
        (
            json!({ "userName": "anna", "origin": "ldap" }),
            400,
            "invalid_scim_resource",
        ),
    ] {
        let answer = platform.call(&platform.admin, "PUT", &path, body).await;
        assert_eq!(answer.expect(status)["error"], error);
    }
    let me =
        platform.get("/Users?filter=userName+eq+%22admin%22").await["resources"][0]["id"].clone();
    let own = format!("/Users/{}", me.as_str().unwrap());
    let out = json!({ "active": false });
    platform
        .call(&platform.admin, "PATCH", &own, out)
        .await
        .expect(400);
}

#[tokio::test]
async fn an_admin_lets_those_in_again_who_forgot_their_password() {
    let platform = Platform::start().await;
    let (ann, _) = platform.user("ann").await;
    let right = format!(
        "grant_type=password&username=ann&password={}",
        PASSWORD.replace(' ', "+")
    );
    for _ in 0..5 {
        let wrong = "grant_type=password&username=ann&password=wrong";
        platform.form("/oauth/token", wrong).await.expect(401);
    }
    platform.form("/oauth/token", &right).await.expect(401);
    let path = format!("/Users/{ann}/status");
    let set = async |body: Value| platform.call(&platform.admin, "PATCH", &path, body).await;
    set(json!({ "locked": true })).await.expect(400);
    set(json!({ "locked": false })).await.expect(200);
    platform.form("/oauth/token", &right).await.expect(200);
}
