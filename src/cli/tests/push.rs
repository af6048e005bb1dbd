//! Pushing, and what an app on the platform answers to.

use std::{fs, io::Cursor};

use serde_json::{Value, json};

use super::fake::{Fake, page};
use crate::cli::failure::code;

/// Everything that a push of `shop` needs, but for how its build and its start end.
async fn platform() -> Fake {
    let fake = Fake::new().await;
    let job = json!({"location": format!("{}/v3/jobs/1", fake.api)});
    let app = json!({"guid": "a", "name": "shop", "state": "STOPPED"});
    fake.logged_in()
        .teach("POST /v3/spaces/space-id/actions/apply_manifest ", 202, job)
        .teach("GET /v3/jobs/1 ", 200, json!({"state": "PROCESSING"}))
        .teach(
            "GET /v3/jobs/1 ",
            200,
            json!({"state": "COMPLETE", "warning": "mind+the%2C+gap"}),
        )
        .teach("GET /v3/apps?names=shop", 200, page(json!([app])))
        .teach(
            "POST /v3/packages ",
            201,
            json!({"guid": "p", "state": "AWAITING_UPLOAD"}),
        )
        .teach(
            "POST /v3/packages/p/upload ",
            200,
            json!({"guid": "p", "state": "READY"}),
        )
        .teach(
            "GET /v3/packages/p ",
            200,
            json!({"guid": "p", "state": "READY"}),
        )
        .teach(
            "GET /logs/api/v1/read/a?envelope_types=LOG&limit=1&",
            200,
            json!({
            "envelopes": {"batch": [{"timestamp": "5", "log": {"payload": ""}}]}}),
        )
        .teach(
            "GET /logs/api/v1/read/a?envelope_types=LOG&limit=1000&start_time=6 ",
            200,
            json!({
            "envelopes": {"batch": [
                {"timestamp": "8", "instance_id": "0", "tags": {"source_type": "APP/PROC/WEB"},
                 "log": {"payload": "bm8=", "type": "OUT"}},
                {"timestamp": "7", "instance_id": "0", "tags": {"source_type": "STG"},
                 "log": {"payload": "aW5zdGFsbGluZw==", "type": "OUT"}}]}}),
        )
        .teach("GET /logs/", 200, json!({"envelopes": {"batch": []}}))
        .teach(
            "POST /v3/builds ",
            201,
            json!({"guid": "b", "state": "STAGING"}),
        )
        .teach(
            "GET /v3/builds/b ",
            200,
            json!({"guid": "b", "state": "STAGING"}),
        )
        .teach(
            "PATCH /v3/apps/a/relationships/current_droplet ",
            200,
            json!({}),
        )
        .teach("POST /v3/apps/a/actions/restart ", 200, json!({}))
        .teach(
            "GET /v3/apps/a ",
            200,
            json!({"guid": "a", "name": "shop", "state": "STARTED"}),
        )
        .teach(
            "GET /v3/apps/a/routes ",
            200,
            page(json!([
            {"guid": "r", "url": "shop.localhost/x", "destinations": []}])),
        )
        .teach(
            "GET /v3/apps/a/processes ",
            200,
            page(json!([{"guid": "a", "type": "web",
            "command": null, "instances": 1, "memory_in_mb": 256, "disk_in_mb": 1024}])),
        )
        .teach(
            "GET /v3/apps/a/droplets/current ",
            200,
            json!({"guid": "d", "stack": "host",
            "buildpacks": [{"name": "python", "version": "3.11"}],
            "process_types": {"web": "python app.py"}}),
        );
    fake
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("app.py"), "print(1)").unwrap();
    fs::write(dir.path().join("big.bin"), "known already").unwrap();
    dir
}

fn stats(state: &str, details: &str) -> Value {
    json!({"resources": [{"type": "web", "index": 0, "state": state, "uptime": 5,
        "mem_quota": 268_435_456, "details": details,
        "usage": {"cpu": 0.015, "mem": 20_971_520, "disk": 0, "rx_bytes": 2048, "tx_bytes": 9}}]})
}

#[tokio::test]
async fn push_uploads_what_is_missing_builds_and_starts() {
    let fake = platform().await;
    let known = json!({"path": "big.bin", "mode": "0644", "size_in_bytes": 13,
        "checksum": {"value": "x"}});
    fake.teach(
        "POST /v3/resource_matches ",
        201,
        json!({"resources": [known]}),
    )
    .teach(
        "GET /v3/builds/b ",
        200,
        json!({"guid": "b", "state": "STAGED",
            "droplet": {"guid": "d"}}),
    )
    .teach("GET /v3/processes/a/stats ", 200, stats("STARTING", ""))
    .teach("GET /v3/processes/a/stats ", 200, stats("RUNNING", ""));
    let dir = folder();
    let path = dir.path().to_str().unwrap();
    let (outcome, out, err) = fake.run(&["push", "shop", "-p", path, "-m", "256M"]).await;
    outcome.unwrap();

    let manifest = fake
        .one("POST /v3/spaces/space-id/actions/apply_manifest ")
        .json();
    assert_eq!(
        manifest,
        json!({"applications": [
        {"name": "shop", "memory": "256M", "default-route": true}]})
    );
    let asked = fake.one("POST /v3/resource_matches ").json();
    assert_eq!(asked["resources"][0]["path"], "app.py");
    assert_eq!(asked["resources"][0]["mode"], "0644");
    let upload = fake.one("POST /v3/packages/p/upload ").body;
    assert!(String::from_utf8_lossy(&upload).contains("name=\"resources\""));
    let start = upload
        .windows(4)
        .position(|four| four == b"PK\x03\x04")
        .unwrap();
    let zip = zip::ZipArchive::new(Cursor::new(&upload[start..])).unwrap();
    let names: Vec<_> = zip.file_names().map(Result::unwrap).collect();
    assert_eq!(names, ["app.py"]);
    let droplet = fake
        .one("PATCH /v3/apps/a/relationships/current_droplet ")
        .json();
    assert_eq!(droplet, json!({"data": {"guid": "d"}}));
    fake.one("POST /v3/apps/a/actions/restart ");

    for part in [
        "warning: mind the, gap",
        "1 of 2 files have changed",
        "  | installing",
    ] {
        assert!(err.contains(part), "{err} lacks {part}");
    }
    assert!(!err.contains("  | no"), "{err}");
    let port = fake.api.rsplit_once(':').unwrap().1;
    insta::assert_snapshot!(out.replace(port, "PORT"), @"
    shop
    state:      started
    addresses:  http://shop.localhost:PORT/x
    runtime:    python 3.11

    web  1/1 running, 256M memory and 1G disk each
    command:    python app.py
    #   state     up   cpu     memory        disk   received   sent   details
    0   running   5s   1.5 %   20M of 256M          2K         9B
    ");
}

#[tokio::test]
async fn a_push_without_changes_sends_no_zip() {
    let fake = platform().await;
    let known = |path: &str| {
        json!({"path": path, "mode": "0644", "size_in_bytes": 1,
        "checksum": {"value": "x"}})
    };
    let all = json!({"resources": [known("app.py"), known("big.bin")]});
    fake.teach("POST /v3/resource_matches ", 201, all).teach(
        "GET /v3/processes/a/stats ",
        200,
        stats("DOWN", ""),
    );
    let dir = folder();
    let path = dir.path().to_str().unwrap();
    fake.run(&["push", "shop", "-p", path, "--no-start"])
        .await
        .0
        .unwrap();
    assert!(
        !fake
            .one("POST /v3/packages/p/upload ")
            .text()
            .contains("name=\"bits\"")
    );
    assert!(
        !fake
            .lines()
            .iter()
            .any(|line| line.starts_with("POST /v3/builds"))
    );
}

#[tokio::test]
async fn a_failed_build_says_why_and_what_to_do() {
    let fake = platform().await;
    fake.teach("POST /v3/resource_matches ", 201, json!({"resources": []}))
        .teach(
            "GET /v3/builds/b ",
            200,
            json!({"guid": "b", "state": "FAILED",
            "error": "NoAppDetectedError - nothing fits"}),
        );
    let dir = folder();
    let path = dir.path().to_str().unwrap();
    let (outcome, _, err) = fake.run(&["push", "shop", "-p", path]).await;
    assert_eq!(outcome.unwrap_err().number(), code::BUILD);
    assert!(
        err.contains("error: the build failed: NoAppDetectedError - nothing fits"),
        "{err}"
    );
    assert!(err.contains("hint: push the folder that holds"), "{err}");
    assert!(!fake.lines().iter().any(|line| line.contains("restart")));
}

#[tokio::test]
async fn an_app_that_does_not_start_is_quoted() {
    let fake = platform().await;
    fake.teach("POST /v3/resource_matches ", 201, json!({"resources": []}))
        .teach(
            "GET /v3/builds/b ",
            200,
            json!({"guid": "b", "state": "STAGED",
            "droplet": {"guid": "d"}}),
        )
        .teach(
            "GET /v3/processes/a/stats ",
            200,
            stats("CRASHED", "Exit status 137 (out of memory)"),
        );
    let dir = folder();
    let path = dir.path().to_str().unwrap();
    let (outcome, _, err) = fake.run(&["push", "shop", "-p", path]).await;
    assert_eq!(outcome.unwrap_err().number(), code::START);
    let told = "error: shop did not start: Exit status 137 (out of memory)";
    assert!(err.contains(told), "{err}");
    assert!(
        err.contains("hint: give it more: `pastina scale shop -m 512M`"),
        "{err}"
    );
}

#[tokio::test]
async fn a_misspelt_key_is_warned_of_and_pushed_all_the_same() {
    let fake = platform().await;
    let dir = folder();
    let manifest = "applications:\n- name: shop\n  memmory: 1G\n  colour: red\n";
    fs::write(dir.path().join("manifest.yml"), manifest).unwrap();
    let file = dir.path().join("manifest.yml");
    let path = dir.path().to_str().unwrap();
    let (_, _, err) = fake
        .run(&["push", "-f", file.to_str().unwrap(), "-p", path])
        .await;
    for told in [
        "warning: the manifest has an unknown key `memmory` in app shop: did you mean `memory`?",
        "warning: the manifest has an unknown key `colour` in app shop: it has no effect",
    ] {
        assert!(err.contains(told), "no {told:?} in {err}");
    }
    let sent = fake.one("POST /v3/spaces/space-id/actions/apply_manifest ");
    assert_eq!(sent.json()["applications"][0]["memmory"], "1G");
}

/// A started app with one process, of which `stats` are told one after the other.
async fn scaled(stats: &[&[&str]]) -> Fake {
    let fake = Fake::new().await;
    let app = json!({"guid": "a", "name": "shop", "state": "STARTED"});
    let web = json!({"guid": "a", "type": "web", "command": null, "instances": 3,
        "memory_in_mb": 256, "disk_in_mb": 1024});
    fake.logged_in()
        .teach("GET /v3/apps?names=shop", 200, page(json!([app])))
        .teach("GET /v3/apps/a ", 200, app)
        .teach("GET /v3/apps/a/processes ", 200, page(json!([web])))
        .teach("GET /v3/apps/a/routes ", 200, page(json!([])))
        .teach(
            "POST /v3/apps/a/processes/web/actions/scale ",
            202,
            json!({}),
        )
        .teach("GET /logs/", 200, json!({"envelopes": {"batch": []}}));
    for states in stats {
        let all = states.iter().zip(0..).map(|(state, index)| {
            json!({"type": "web", "index": index, "state": state, "uptime": 5,
                "details": "Exit status 3"})
        });
        let all: Vec<Value> = all.collect();
        fake.teach("GET /v3/processes/a/stats ", 200, json!({"resources": all}));
    }
    fake
}

#[tokio::test]
async fn scale_waits_until_all_run_and_counts_them() {
    let fake = scaled(&[
        &["RUNNING", "DOWN", "DOWN"],
        &["RUNNING", "STARTING", "STARTING"],
        &["RUNNING", "STARTING", "RUNNING"],
        &["RUNNING", "RUNNING", "RUNNING"],
    ])
    .await;
    let (outcome, _, err) = fake.run(&["scale", "shop", "-i", "3"]).await;
    outcome.unwrap();
    let counts: Vec<&str> = err
        .lines()
        .filter(|line| line.ends_with("instances run"))
        .collect();
    assert_eq!(counts, ["1 of 3 instances run", "2 of 3 instances run"]);
}

#[tokio::test]
async fn scale_fails_when_one_of_the_new_ones_crashes() {
    let fake = scaled(&[
        &["RUNNING", "STARTING", "STARTING"],
        &["RUNNING", "CRASHED", "STARTING"],
    ])
    .await;
    let (outcome, _, err) = fake.run(&["scale", "shop", "-i", "3"]).await;
    assert_eq!(outcome.unwrap_err().number(), code::START);
    assert!(err.contains("Exit status 3"), "{err}");
}

#[tokio::test]
async fn a_failed_job_tells_its_reason() {
    let fake = Fake::new().await;
    let job = json!({"location": format!("{}/v3/jobs/1", fake.api)});
    fake.logged_in()
        .teach("POST /v3/spaces/space-id/actions/apply_manifest ", 202, job)
        .teach(
            "GET /v3/jobs/1 ",
            200,
            json!({"state": "FAILED", "errors": [
            {"detail": "For application 'shop': no such domain"}]}),
        );
    let dir = folder();
    let (outcome, ..) = fake
        .run(&["push", "shop", "-p", dir.path().to_str().unwrap()])
        .await;
    let message = outcome.unwrap_err().message();
    assert_eq!(
        message,
        "applying the manifest failed: For application 'shop': no such domain"
    );
}

#[tokio::test]
async fn a_route_is_made_where_need_be_and_mapped() {
    let fake = platform().await;
    let domain = json!({"guid": "dom", "name": "localhost"});
    let route = json!({"guid": "r", "url": "cart.localhost/v1", "destinations": []});
    fake.teach(
        "GET /v3/organizations/org-id/domains ",
        200,
        page(json!([domain])),
    )
    .teach(
        "GET /v3/routes?domain_guids=dom&hosts=cart&paths=%2Fv1 ",
        200,
        page(json!([])),
    )
    .teach("POST /v3/routes ", 201, route)
    .teach("POST /v3/routes/r/destinations ", 200, json!({}));
    fake.run(&["route", "map", "shop", "cart.localhost/v1"])
        .await
        .0
        .unwrap();
    let made = fake.one("POST /v3/routes ").json();
    assert_eq!(made["host"], "cart");
    assert_eq!(made["path"], "/v1");
    let mapped = fake.one("POST /v3/routes/r/destinations ").json();
    assert_eq!(mapped["destinations"][0]["app"]["guid"], "a");
}
