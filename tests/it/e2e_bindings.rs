//! What an app is bound to, told in files in place of `VCAP_SERVICES`.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Api, Daemon, Own, example, text};

/// What a shell command prints in the app's instance.
fn inside(own: &Own<'_>, script: &str) -> String {
    let output = own.output(Path::new("/"), &["ssh", "procfile", script]);
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_bound_app_finds_its_credentials_in_files_where_it_asks_for_that() {
    let daemon = Daemon::start();
    let (own, api) = (Own::login(&daemon), Api::login(&daemon));
    let run = |line: &[&str]| own.json(Path::new("/"), line);
    own.json(
        &example("procfile"),
        &["push", "procfile", "-m", "128M", "--no-start"],
    );
    let credentials = r#"{"uri": "postgres://u:p@db.example.kr/x", "port": 5432}"#;
    run(&["service", "create", "db", "-c", credentials]);
    run(&["service", "bind", "procfile", "db"]);
    let apps = api.get("/v3/apps?names=procfile").expect(200);
    let guid = apps["resources"][0]["guid"].as_str().unwrap().to_owned();
    let switch = |feature: &str, on: bool| {
        let path = format!("/v3/apps/{guid}/features/{feature}");
        api.send("PATCH", &path, &json!({ "enabled": on }))
    };

    switch("service-binding-k8s", true).expect(200);
    let both = switch("file-based-vcap-services", true).refusal(422);
    assert!(
        both.contains("cannot be enabled at the same time"),
        "{both}"
    );
    run(&["start", "procfile"]);
    let told = inside(
        &own,
        "cd $SERVICE_BINDING_ROOT/db && cat uri && echo && cat port type",
    );
    assert_eq!(told, "postgres://u:p@db.example.kr/x\n5432user-provided");
    assert_eq!(inside(&own, "echo ${VCAP_SERVICES-none}"), "none\n");
    // Nobody inside changes them, nor whoever else can see the sandbox's folder.
    let denied = "for f in $SERVICE_BINDING_ROOT/db/uri $SERVICE_BINDING_ROOT/new; do \
                  (echo x > $f) 2>/dev/null && echo written; done; true";
    assert_eq!(inside(&own, denied), "");

    switch("service-binding-k8s", false).expect(200);
    switch("file-based-vcap-services", true).expect(200);
    run(&["restart", "procfile"]);
    let file = inside(&own, "cat $VCAP_SERVICES_FILE_PATH");
    let services: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(services["user-provided"][0]["credentials"]["port"], 5432);
    assert_eq!(inside(&own, "echo ${SERVICE_BINDING_ROOT-none}"), "none\n");
}
