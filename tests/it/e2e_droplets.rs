//! Droplets travel: down, up again, and from app to app.

use serde_json::json;

use crate::support::{Api, Cf, Daemon, eventually, example};

#[test]
fn a_droplet_is_downloaded_and_pushed_as_another_app() {
    let daemon = Daemon::shared();
    let (cf, api) = (Cf::login(&daemon), Api::login(&daemon));
    cf.run_in(
        &example("flask"),
        &["push", "whence", "--no-manifest", "-m", "96M"],
    );
    let here = tempfile::tempdir().unwrap();
    let path = here.path().join("whence.tgz");
    let file = path.to_str().unwrap();
    cf.run(&["download-droplet", "whence", "--path", file]);
    cf.run(&["push", "whither", "--droplet", file, "-m", "96M"]);
    eventually("the same app under another name", || {
        daemon
            .get("whither", "/")
            .1
            .contains("Hello from Flask")
            .then_some(())
    });

    // What is no droplet says so.
    let app = cf.guid("whither");
    let to_app = json!({ "app": { "data": { "guid": app } } });
    let body = json!({ "relationships": to_app });
    let made = api.send("POST", "/v3/droplets", &body).guid();
    let one = format!("/v3/droplets/{made}");
    assert_eq!(api.get(&one).expect(200)["state"], "AWAITING_UPLOAD");
    std::fs::write(&path, "no archive").unwrap();
    let part = format!("bits=@{file}");
    api.curl("POST", &format!("{one}/upload"), &["-F", &part])
        .expect(202);
    let failed = api.get(&one).expect(200);
    assert_eq!(failed["state"], "FAILED", "{failed}");
    let again = api.curl("POST", &format!("{one}/upload"), &["-F", &part]);
    assert!(again.refusal(422).contains("only once"));

    // From app to app, without a way out.
    let source = api.get(&format!("/v3/apps/{}/droplets/current", cf.guid("whence")));
    let source = source.expect(200)["guid"].as_str().unwrap().to_owned();
    let copy = format!("/v3/droplets?source_guid={source}");
    let copy = api.send("POST", &copy, &body).expect(201);
    assert_eq!(copy["state"], "STAGED", "{copy}");
    cf.run(&["set-droplet", "whither", copy["guid"].as_str().unwrap()]);
    cf.run(&["restart", "whither"]);
    assert!(daemon.get_ok("whither").contains("Hello from Flask"));

    let clear = format!("/v3/apps/{app}/actions/clear_buildpack_cache");
    api.send("POST", &clear, &json!({})).expect(202);
    api.send(
        "POST",
        "/v3/admin/actions/clear_buildpack_cache",
        &json!({}),
    )
    .expect(202);
    cf.run_in(
        &example("flask"),
        &["push", "whence", "--no-manifest", "-m", "96M"],
    );
    for name in ["whence", "whither"] {
        cf.run(&["delete", name, "-f", "-r"]);
    }
}
