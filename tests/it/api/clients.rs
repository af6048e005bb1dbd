//! Programs that log in, for themselves and for people; codes, and keys that change.

use axum::{
    body::Body,
    http::{Request, header},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::harness::{Answer, PASSWORD, Platform};

const PASSWORD_FIELD: &str = "password=correct+horse+battery";

async fn post(platform: &Platform, path: &str, client: &str, form: &str) -> Answer {
    let mut request = Request::post(path)
        .header(header::HOST, "api.apps.test")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if !client.is_empty() {
        let code = STANDARD.encode(client);
        request = request.header(header::AUTHORIZATION, format!("Basic {code}"));
    }
    platform
        .send(request.body(Body::from(form.to_owned())).unwrap())
        .await
}

async fn token(platform: &Platform, client: &str, form: &str) -> Answer {
    post(platform, "/oauth/token", client, form).await
}

fn access(answer: Answer) -> String {
    answer.expect(200)["access_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn make(platform: &Platform, body: Value) -> Value {
    platform.make("/oauth/clients", body).await
}

#[tokio::test]
async fn a_client_acts_for_itself_within_its_authorities() {
    let platform = Platform::start().await;
    let (_, space) = platform.home().await;
    let path = format!("/v3/spaces/{space}");
    let made = make(
        &platform,
        json!({
            "client_id": "deployer", "client_secret": "s3cret", "name": "The deployer",
            "authorized_grant_types": ["client_credentials"],
            "authorities": ["cloud_controller.admin", "cloud_controller.read"],
        }),
    )
    .await;
    assert!(made.get("client_secret").is_none(), "{made}");
    let form = "grant_type=client_credentials";
    for wrong in ["deployer:wrong", "nobody:s3cret", "deployer:"] {
        let answer = token(&platform, wrong, form).await;
        assert_eq!(answer.expect(401)["error"], "invalid_client");
    }
    let answer = token(&platform, "deployer:s3cret", form).await.expect(200);
    assert_eq!(answer.get("refresh_token"), None);
    let all = answer["access_token"].as_str().unwrap().to_owned();
    platform
        .call(&all, "GET", &path, Value::Null)
        .await
        .expect(200);
    let body = json!({ "name": "lab" });
    platform
        .call(&all, "POST", "/v3/organizations", body)
        .await
        .expect(201);
    let events = platform
        .get("/v3/audit_events?types=audit.organization.create")
        .await;
    assert_eq!(events["resources"][0]["actor"]["type"], "uaa-client");
    assert_eq!(events["resources"][0]["actor"]["name"], "deployer");
    let claims = post(&platform, "/introspect", "cf:", &format!("token={all}"))
        .await
        .expect(200);
    assert_eq!(
        (&claims["active"], &claims["sub"]),
        (&json!(true), &json!("deployer"))
    );
    assert_eq!(claims.get("user_id"), None);

    // Less than it may.
    let form = "grant_type=client_credentials&scope=cloud_controller.read";
    let less = access(token(&platform, "deployer:s3cret", form).await);
    platform
        .call(&less, "GET", &path, Value::Null)
        .await
        .expect(404);
    platform
        .call(&less, "GET", "/Users", Value::Null)
        .await
        .expect(403);
    let form = "grant_type=client_credentials&scope=scim.write";
    let answer = token(&platform, "deployer:s3cret", form).await;
    assert_eq!(answer.expect(400)["error"], "invalid_scope");
    let form = format!("grant_type=password&username=admin&{PASSWORD_FIELD}");
    let answer = token(&platform, "deployer:s3cret", &form).await;
    assert_eq!(answer.expect(401)["error"], "invalid_client");

    // A new secret beside the old one, then without it.
    let secret = "/oauth/clients/deployer/secret";
    let change = async |body: Value| platform.call(&platform.admin, "PUT", secret, body).await;
    change(json!({ "secret": "n3w", "changeMode": "ADD" }))
        .await
        .expect(200);
    let form = "grant_type=client_credentials";
    for good in ["deployer:s3cret", "deployer:n3w"] {
        token(&platform, good, form).await.expect(200);
    }
    change(json!({ "changeMode": "DELETE" })).await.expect(200);
    token(&platform, "deployer:s3cret", form).await.expect(401);
    change(json!({ "changeMode": "DELETE" })).await.expect(400);
    change(json!({})).await.expect(400);

    // Its tokens end when somebody says so, and with it.
    let revoke = "/oauth/token/revoke/client/deployer";
    platform
        .call(&platform.admin, "DELETE", revoke, Value::Null)
        .await
        .expect(200);
    platform
        .call(&all, "GET", &path, Value::Null)
        .await
        .expect(401);
    let last = access(token(&platform, "deployer:n3w", form).await);
    let path = "/oauth/clients/deployer";
    platform
        .call(&platform.admin, "DELETE", path, Value::Null)
        .await
        .expect(200);
    platform
        .call(&last, "GET", "/v3/organizations", Value::Null)
        .await
        .expect(401);
    platform
        .call(&platform.admin, "GET", path, Value::Null)
        .await
        .expect(404);
}

#[tokio::test]
async fn a_client_that_reads_everything_changes_nothing() {
    let platform = Platform::start().await;
    let (_, space) = platform.home().await;
    make(
        &platform,
        json!({
            "client_id": "inventory", "client_secret": "s3cret",
            "authorized_grant_types": "client_credentials",
            "authorities": "cloud_controller.global_auditor,cloud_controller.read",
        }),
    )
    .await;
    let form = "grant_type=client_credentials";
    let token = access(token(&platform, "inventory:s3cret", form).await);
    let path = format!("/v3/spaces/{space}");
    platform
        .call(&token, "GET", &path, Value::Null)
        .await
        .expect(200);
    platform
        .call(&token, "PATCH", &path, json!({}))
        .await
        .expect(403);
    platform
        .call(&token, "POST", "/v3/organizations", json!({ "name": "x" }))
        .await
        .expect(403);
}

#[tokio::test]
async fn people_log_in_to_a_program_by_a_code() {
    let platform = Platform::start().await;
    platform.user("ann").await;
    make(
        &platform,
        json!({
            "client_id": "portal", "client_secret": "s3cret", "name": "Portal <b>",
            "authorized_grant_types": ["authorization_code", "refresh_token"],
            "scope": ["openid", "cloud_controller.*"],
            "redirect_uri": ["https://portal.test/back"],
        }),
    )
    .await;
    let verifier = "a-text-that-only-the-program-knows-43-letters";
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let fields = format!(
        "client_id=portal&response_type=code&redirect_uri=https%3A%2F%2Fportal.test%2Fback&\
         state=a%26b&scope=cloud_controller.read&code_challenge={challenge}&\
         code_challenge_method=S256"
    );
    let get = async |query: &str| {
        let path = format!("/oauth/authorize?{query}");
        platform.call("", "GET", &path, Value::Null).await
    };
    let page = get(&fields).await;
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("default-src 'none'")
    );
    let page = page.expect(200);
    let page = page.as_str().unwrap();
    assert!(
        page.contains("Portal &lt;b&gt;") && page.contains("value=\"a&amp;b\""),
        "{page}"
    );
    for wrong in [
        "client_id=nobody&response_type=code",
        "client_id=portal&response_type=token",
        "client_id=portal&response_type=code&redirect_uri=https%3A%2F%2Fevil.test",
    ] {
        let answer = get(wrong).await;
        assert!(!answer.headers.contains_key(header::LOCATION));
        answer.expect(400);
    }
    let enter = async |password: &str| {
        let form = format!("{fields}&username=ann&{password}");
        post(&platform, "/oauth/authorize", "", &form).await
    };
    let answer = enter("password=wrong").await;
    assert!(answer.expect(401).as_str().unwrap().contains("is wrong"));
    let code = async || {
        let answer = enter(PASSWORD_FIELD).await;
        let target = answer.headers[header::LOCATION]
            .to_str()
            .unwrap()
            .to_owned();
        answer.expect(302);
        let rest = target
            .strip_prefix("https://portal.test/back?code=")
            .unwrap();
        rest.strip_suffix("&state=a%26b").unwrap().to_owned()
    };
    let back = "redirect_uri=https%3A%2F%2Fportal.test%2Fback";
    for (client, rest) in [
        ("cf:", format!("{back}&code_verifier={verifier}")),
        ("portal:s3cret", format!("{back}&code_verifier=other")),
        ("portal:s3cret", format!("code_verifier={verifier}")),
    ] {
        let form = format!("grant_type=authorization_code&code={}&{rest}", code().await);
        let status = token(&platform, client, &form).await.status;
        assert!([400, 401].contains(&status), "{client} {rest}: {status}");
    }
    let code = code().await;
    let form = format!("grant_type=authorization_code&code={code}&{back}&code_verifier={verifier}");
    let tokens = token(&platform, "portal:s3cret", &form).await.expect(200);
    assert_eq!(tokens["scope"], "cloud_controller.read");
    token(&platform, "portal:s3cret", &form).await.expect(400);
    let ann = tokens["access_token"].as_str().unwrap();
    let shown = platform
        .call(ann, "GET", "/userinfo", Value::Null)
        .await
        .expect(200);
    assert_eq!(shown["user_name"], "ann");
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    token(&platform, "cf:", &form).await.expect(401);
    let again = token(&platform, "portal:s3cret", &form).await.expect(200);
    assert_eq!(again["scope"], "cloud_controller.read");
}

#[tokio::test]
async fn a_passcode_logs_the_command_line_in_once() {
    let platform = Platform::start().await;
    let page = platform
        .call("", "GET", "/passcode", Value::Null)
        .await
        .expect(200);
    assert!(
        page.as_str()
            .unwrap()
            .contains("<form method=\"post\" action=\"/passcode\">")
    );
    let answer = post(&platform, "/passcode", "", "username=admin&password=x").await;
    answer.expect(401);
    let form = format!("username=admin&{PASSWORD_FIELD}");
    let page = post(&platform, "/passcode", "", &form).await.expect(200);
    let page = page.as_str().unwrap();
    let code = page
        .split("<code>")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap();
    let form = format!("grant_type=password&passcode={code}");
    let admin = access(token(&platform, "cf:", &form).await);
    platform
        .call(&admin, "GET", "/Users", Value::Null)
        .await
        .expect(200);
    token(&platform, "cf:", &form).await.expect(401);
    let prompts = platform
        .call("", "GET", "/login", Value::Null)
        .await
        .expect(200);
    let told = prompts["prompts"]["passcode"][1].as_str().unwrap();
    assert!(told.contains("http://api.apps.test/passcode"), "{told}");
}

#[tokio::test]
async fn tokens_outlive_the_key_that_signed_them() {
    let platform = Platform::start().await;
    let (_, ann) = platform.user("ann").await;
    let keys = async || {
        platform.get("/token_keys").await["keys"]
            .as_array()
            .unwrap()
            .clone()
    };
    let before = keys().await;
    platform
        .call(&ann, "POST", "/token_keys", Value::Null)
        .await
        .expect(403);
    platform
        .call(&platform.admin, "POST", "/token_keys", Value::Null)
        .await
        .expect(200);
    let after = keys().await;
    assert_eq!((before.len(), after.len()), (1, 2));
    assert_eq!(before[0], after[1]);
    let again = platform.log_in("ann", PASSWORD).await;
    for token in [&ann, &again] {
        platform
            .call(token, "GET", "/userinfo", Value::Null)
            .await
            .expect(200);
    }
    let current = platform
        .call("", "GET", "/token_key", Value::Null)
        .await
        .expect(200);
    assert_eq!(current, after[0]);
}

#[tokio::test]
async fn a_users_logins_are_ended_by_them_or_by_an_admin() {
    let platform = Platform::start().await;
    let (ann, token) = platform.user("ann").await;
    let (_, ben) = platform.user("ben").await;
    let path = format!("/oauth/token/revoke/user/{ann}");
    platform
        .call(&ben, "DELETE", &path, Value::Null)
        .await
        .expect(403);
    platform
        .call(&token, "DELETE", &path, Value::Null)
        .await
        .expect(200);
    platform
        .call(&token, "GET", "/userinfo", Value::Null)
        .await
        .expect(401);
    platform
        .call(&ben, "GET", "/userinfo", Value::Null)
        .await
        .expect(200);
}

#[tokio::test]
async fn clients_that_make_no_sense_are_refused() {
    let platform = Platform::start().await;
    for (body, status, words) in [
        (json!({}), 400, "client_id"),
        (
            json!({ "client_id": "a" }),
            400,
            "authorized grant type must be provided",
        ),
        (
            json!({ "client_id": "cf", "authorized_grant_types": ["password"] }),
            409,
            "already exists",
        ),
        (
            json!({ "client_id": "a", "authorized_grant_types": ["magic"] }),
            400,
            "not an allowed grant type",
        ),
        (
            json!({ "client_id": "a", "authorized_grant_types": ["client_credentials"] }),
            400,
            "client_secret cannot be blank",
        ),
        (
            json!({ "client_id": "a", "authorized_grant_types": ["authorization_code"] }),
            400,
            "at least one redirect URL",
        ),
        (
            json!({
                "client_id": "a", "authorized_grant_types": ["authorization_code"],
                "redirect_uri": "nowhere",
            }),
            400,
            "redirect_uri is invalid",
        ),
    ] {
        let answer = platform
            .call(&platform.admin, "POST", "/oauth/clients", body)
            .await;
        let answer = answer.expect(status);
        let text = answer["error_description"].as_str().unwrap();
        assert!(text.contains(words), "{text}");
    }
}

#[tokio::test]
async fn a_token_vouches_for_its_user_at_the_client_that_it_is_for() {
    let platform = Platform::start().await;
    platform.user("ann").await;
    let bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    for (name, grants) in [
        ("portal", json!(["password", bearer])),
        ("other", json!([bearer])),
    ] {
        let body = json!({
            "client_id": name, "client_secret": "s3cret", "authorized_grant_types": grants,
            "scope": ["openid", "cloud_controller.*"],
        });
        make(&platform, body).await;
    }
    let form = format!(
        "grant_type=password&username=ann&{PASSWORD_FIELD}&scope=openid+cloud_controller.read"
    );
    let first = access(token(&platform, "portal:s3cret", &form).await);
    let form = format!("grant_type={bearer}&assertion={first}&response_type=token");
    let tokens = token(&platform, "portal:s3cret", &form).await.expect(200);
    // No more than the assertion was good for.
    assert_eq!(tokens["scope"], "openid cloud_controller.read");
    let second = tokens["access_token"].as_str().unwrap();
    let shown = platform.call(second, "GET", "/userinfo", Value::Null).await;
    assert_eq!(shown.expect(200)["user_name"], "ann");
    // It is for nobody else, and the command line may not make a session last by it.
    token(&platform, "other:s3cret", &form).await.expect(401);
    token(&platform, "cf:", &form).await.expect(401);
    let forged = format!("grant_type={bearer}&assertion={first}x");
    let answer = token(&platform, "portal:s3cret", &forged).await;
    assert_eq!(answer.expect(401)["error"], "invalid_grant");
}
