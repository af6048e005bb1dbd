//! Logging in, refusals, pages.

use std::fs;

use serde_json::{Value, json};

use super::fake::{Fake, page, token};
use crate::cli::{failure::code, profile::Profile};

fn teach_login(fake: &Fake) {
    fake.teach(
        "POST /uaa/oauth/token ",
        200,
        json!({"access_token": token(600), "token_type": "bearer", "refresh_token": "r2"}),
    )
    .teach(
        "GET /v3/organizations?",
        200,
        page(json!([{"guid": "o", "name": "lab"}])),
    )
    .teach(
        "GET /v3/spaces?",
        200,
        page(json!([{"guid": "s", "name": "dev"}])),
    );
}

#[tokio::test]
async fn login_targets_what_is_there_alone() {
    let fake = Fake::new().await;
    teach_login(&fake);
    let api = fake.api.clone();
    let (outcome, out, _) = fake
        .run(&["login", "-a", &api, "-u", "kim", "-p", "p&ss word"])
        .await;
    outcome.unwrap();
    let asked = fake.one("POST /uaa/oauth/token ");
    assert_eq!(asked.authorization, "Basic Y2Y6");
    assert_eq!(
        asked.text(),
        "grant_type=password&username=kim&password=p%26ss%20word"
    );
    assert_eq!(
        out,
        format!("api:     {api}\nuser:    admin\norg:     lab\nspace:   dev\n")
    );
    let profile = Profile::read(fake.home.path()).unwrap();
    assert_eq!(profile.refresh_token.0, "r2");
}

#[tokio::test]
async fn login_without_arguments_finds_the_platform_of_this_machine() {
    let fake = Fake::new().await;
    teach_login(&fake);
    let password = fake.home.path().join("admin-password");
    fs::write(&password, "generated\n").unwrap();
    let run_dir = fake.places().run_dir_beside(&fake.places().state_dir);
    fs::create_dir_all(&run_dir).unwrap();
    let endpoint = crate::cli::Endpoint {
        http_listen: None,
        https_listen: None,
        ssh_listen: None,
        api: fake.api.clone(),
        ca_file: None,
        admin_username: "admin".to_owned(),
        admin_password_file: password,
    };
    endpoint.write(&run_dir).unwrap();
    fake.run(&["login"]).await.0.unwrap();
    assert!(
        fake.one("POST /uaa/oauth/token ")
            .text()
            .contains("username=admin&password=generated")
    );
}

#[tokio::test]
async fn a_wrong_password_is_told_from_other_failures() {
    let fake = Fake::new().await;
    let refusal = json!({"error": "unauthorized", "error_description": "Bad credentials"});
    fake.teach("POST /uaa/oauth/token ", 401, refusal);
    let api = fake.api.clone();
    let (outcome, _, err) = fake
        .run(&["login", "-a", &api, "-u", "kim", "-p", "x"])
        .await;
    assert_eq!(outcome.unwrap_err().number(), code::NOT_AUTHORISED);
    assert!(
        err.contains("error: the user name or the password is wrong"),
        "{err}"
    );
    assert!(!err.contains("Basic"));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires_and_when_it_is_refused() {
    for (token, answers) in [(token(30), vec![200]), (token(600), vec![401, 200])] {
        let fake = Fake::new().await;
        fake.logged_in();
        let mut profile = Profile::read(fake.home.path()).unwrap();
        profile.access_token.0 = token;
        profile.write(fake.home.path()).unwrap();
        let fresh = super::fake::token(900);
        let tokens = json!({"access_token": fresh, "refresh_token": "r2"});
        fake.teach("POST /uaa/oauth/token ", 200, tokens);
        for status in answers {
            fake.teach("GET /v3/apps?", status, page(json!([])));
        }
        let (outcome, ..) = fake.run(&["stop", "shop"]).await;
        assert_eq!(outcome.unwrap_err().number(), code::NOT_FOUND);
        let asked = fake.one("POST /uaa/oauth/token ");
        assert_eq!(
            asked.text(),
            "grant_type=refresh%5Ftoken&refresh_token=refresh"
        );
        assert_eq!(
            Profile::read(fake.home.path()).unwrap().access_token.0,
            fresh
        );
    }
}

#[tokio::test]
async fn refusals_have_their_exit_codes_and_hints() {
    let error = |detail: &str| json!({"errors": [{"code": 1, "title": "CF-X", "detail": detail}]});
    let check = async |status: u16, detail: &str, number: u8, hint: &str| {
        let fake = Fake::new().await;
        fake.logged_in()
            .teach("GET /v3/apps?", status, error(detail));
        let (outcome, out, err) = fake.run(&["app", "shop"]).await;
        assert_eq!(outcome.unwrap_err().number(), number, "{detail}");
        assert!(
            out.is_empty() && err.contains(&format!("error: {detail}")),
            "{err}"
        );
        assert!(err.contains(hint), "{err} lacks {hint}");
    };
    check(
        403,
        "You are not authorized",
        code::NOT_AUTHORISED,
        "hint: ask a manager",
    )
    .await;
    check(404, "Space not found", code::NOT_FOUND, "error").await;
    check(
        422,
        "name is taken",
        code::REFUSED,
        "hint: choose another name",
    )
    .await;
    check(503, "Stopping", code::FAILED, "hint: the platform is busy").await;
}

#[tokio::test]
async fn failures_are_json_where_that_was_asked_for() {
    let fake = Fake::new().await;
    let (outcome, out, err) = fake.run(&["--output", "json", "apps"]).await;
    assert_eq!(outcome.unwrap_err().number(), code::NOT_AUTHORISED);
    assert_eq!(out, "");
    let told: Value = serde_json::from_str(&err).unwrap();
    assert_eq!(
        told,
        json!({"error": "not logged in", "hint": "run `pastina login`", "exit_code": 3})
    );
}

#[tokio::test]
async fn every_page_is_read_and_a_foreign_one_gets_no_token() {
    let fake = Fake::new().await;
    let next = format!("{}/v3/more?page=2", fake.api);
    fake.logged_in()
        .teach(
            "GET /v3/apps?",
            200,
            json!({"pagination": {"next": {"href": next}},
            "resources": [{"guid": "a", "name": "a", "state": "STOPPED"}]}),
        )
        .teach(
            "GET /v3/more?page=2",
            200,
            page(json!([
            {"guid": "b", "name": "b", "state": "STOPPED"}])),
        )
        .teach("GET /v3/processes?", 200, page(json!([])))
        .teach("GET /v3/routes?", 200, page(json!([])));
    let (outcome, out, _) = fake.run(&["--output", "json", "apps"]).await;
    outcome.unwrap();
    let rows: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 2);

    let fake = Fake::new().await;
    fake.logged_in().teach(
        "GET /v3/apps?",
        200,
        json!({
        "pagination": {"next": {"href": "http://127.0.0.1:1/v3/steal"}}, "resources": []}),
    );
    let (outcome, ..) = fake.run(&["apps"]).await;
    let message = outcome.unwrap_err().message();
    assert!(message.contains("which is not a part of it"), "{message}");
}

#[tokio::test]
async fn a_look_survives_a_restart_of_the_platform_and_a_change_is_not_made_twice() {
    let fake = Fake::new().await;
    fake.logged_in()
        .teach("GET /v3/apps?", 0, Value::Null)
        .teach(
            "GET /v3/apps?",
            200,
            page(json!([{"guid": "a", "name": "shop", "state": "STARTED"}])),
        )
        .teach("POST /v3/apps/a/actions/stop ", 0, Value::Null);
    let (outcome, ..) = fake.run(&["stop", "shop"]).await;
    assert_eq!(outcome.unwrap_err().number(), code::UNREACHABLE);
    let lines = fake.lines();
    let looks = lines
        .iter()
        .filter(|line| line.starts_with("GET /v3/apps?"))
        .count();
    assert_eq!(looks, 2, "{lines:?}");
    fake.one("POST /v3/apps/a/actions/stop ");
}
