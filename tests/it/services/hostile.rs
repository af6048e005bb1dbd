//! Brokers that mean no good.

use std::time::Duration;

use serde_json::{Value, json};

use super::{begins, detail, ends, found, instance, job_ends, register, registration, to};
use crate::support::{Api, Broker, Canned, Cf, Daemon, eventually};

fn says(status: u16, body: &str) -> Canned {
    Canned {
        status,
        body: body.to_owned(),
        ..Canned::default()
    }
}

#[test]
fn no_catalog_of_a_hostile_broker_is_taken() {
    let daemon = Daemon::shared();
    let (cf, api) = (Cf::login(&daemon), Api::login(&daemon));
    let broker = Broker::start("bad-db");
    let deep = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    let elsewhere = Canned {
        headers: vec![("location", format!("{}/v2/catalog", daemon.http()))],
        ..says(302, "")
    };
    let huge = "x".repeat(6 * 1024 * 1024);
    for (canned, code, part) in [
        (
            says(500, "oops"),
            10_001,
            "Status Code: 500 Internal Server Error, Body: oops",
        ),
        (
            says(500, r#"{"description":"on fire"}"#),
            10_001,
            "Service broker error: on fire",
        ),
        (elsewhere, 10_001, "Status Code: 302 Found"),
        (
            says(401, ""),
            10_001,
            "Double-check that the username and password are correct",
        ),
        (
            says(404, ""),
            270_020,
            "rejected the request. Status Code: 404 Not Found",
        ),
        (says(200, "<html>"), 270_021, "expected valid JSON object"),
        (says(200, "[]"), 270_021, "expected valid JSON object"),
        (says(200, &deep), 270_021, "expected valid JSON object"),
        (says(200, &huge), 10_001, "is longer than"),
        (
            says(200, "{}"),
            270_012,
            "must provide at least one service",
        ),
        (
            says(200, r#"{"services":[{"id":1,"name":"x","plans":[{}]}]}"#),
            270_012,
            "Service id must be a string, but has value 1",
        ),
    ] {
        broker.behave();
        broker.answer("GET", "/v2/catalog", canned);
        let body = registration("bad", &broker);
        let job = ends(&api, "/v3/service_brokers", "POST", &body, "FAILED");
        assert!(detail(&job).contains(part), "no {part:?} in {job}");
        assert_eq!(job["errors"][0]["code"], code, "{job}");
        cf.run(&["delete-service-broker", "bad", "-f"]);
    }
    // Nobody is there at all.
    let mut body = registration("bad", &broker);
    body["url"] = "http://127.0.0.1:1".into();
    let job = ends(&api, "/v3/service_brokers", "POST", &body, "FAILED");
    assert!(detail(&job).starts_with("The service broker could not be reached"));
    cf.run(&["delete-service-broker", "bad", "-f"]);
    assert!(!cf.run(&["marketplace"]).contains("bad-db"));
}

#[test]
fn what_a_broker_may_have_made_is_deleted_there() {
    let daemon = Daemon::shared();
    let api = Api::login(&daemon);
    let broker = Broker::start("orphan-db");
    let plan = register(&api, "orphan", &broker);
    let space = api.space();
    let deleted = |id: &str| {
        let path = format!("/v2/service_instances/{id}");
        let seen = broker.seen("DELETE", &path);
        seen.iter().any(|seen| seen.path == path)
    };
    for (number, (canned, orphan, part)) in [
        (says(500, "{}"), true, "Status Code: 500"),
        (says(204, ""), true, "Status Code: 204"),
        (says(201, "nonsense"), true, "broker returned 'nonsense'"),
        (
            says(202, r#"{"operation":7}"#),
            true,
            "'operation' to be a string",
        ),
        (says(200, "nonsense"), false, "broker returned 'nonsense'"),
        (
            says(400, r#"{"description":"too big"}"#),
            false,
            "Service broker error: too big",
        ),
        (says(408, ""), false, "timed out"),
        (says(409, ""), false, "Resource conflict"),
        (
            says(422, r#"{"error":"AsyncRequired"}"#),
            false,
            "asynchronous",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        broker.behave();
        broker.answer("PUT", "/v2/service_instances/", canned);
        let name = format!("orphan-{number}");
        let body = instance(&name, &plan, &space);
        let job = ends(&api, "/v3/service_instances", "POST", &body, "FAILED");
        let text = detail(&job);
        assert!(
            text.starts_with("provision could not be completed: ") && text.contains(part),
            "{job}"
        );
        assert_eq!(job["errors"][0]["code"], 10_009);
        let failed = found(&api, &name).unwrap();
        assert_eq!(failed["last_operation"]["state"], "failed");
        let guid = failed["guid"].as_str().unwrap().to_owned();
        broker.behave();
        if orphan {
            eventually("the orphan to be deleted", || deleted(&guid).then_some(()));
        } else {
            assert!(!deleted(&guid), "{part}");
        }
        let path = format!("/v3/service_instances/{guid}");
        ends(&api, &path, "DELETE", &Value::Null, "COMPLETE");
        assert!(deleted(&guid));
    }

    // The same of a key, and one that does not want to go.
    let body = instance("orphan-keys", &plan, &space);
    ends(&api, "/v3/service_instances", "POST", &body, "COMPLETE");
    let guid = found(&api, "orphan-keys").unwrap()["guid"]
        .as_str()
        .unwrap()
        .to_owned();
    let key = json!({
        "type": "key", "name": "k", "relationships": { "service_instance": to(&guid) },
    });
    let keys = "/v3/service_credential_bindings";
    broker.answer("PUT", "/service_bindings/", says(503, "{}"));
    let job = ends(&api, keys, "POST", &key, "FAILED");
    assert!(
        detail(&job).starts_with("bind could not be completed: "),
        "{job}"
    );
    broker.behave();
    eventually("the key to be deleted", || {
        (!broker.seen("DELETE", "/service_bindings/").is_empty()).then_some(())
    });
    ends(&api, keys, "POST", &key, "COMPLETE");
    broker.answer(
        "DELETE",
        "/service_bindings/",
        says(400, r#"{"description":"no"}"#),
    );
    let path = format!("/v3/service_instances/{guid}");
    let job = ends(&api, &path, "DELETE", &Value::Null, "FAILED");
    assert_eq!(
        detail(&job),
        "delete could not be completed: Service broker failed to delete service binding for \
         instance orphan-keys: Service broker error: no"
    );
    broker.behave();
    ends(&api, &path, "DELETE", &Value::Null, "COMPLETE");
    assert_eq!(broker.holds(), (0, 0));
    let brokers = api.get("/v3/service_brokers?names=orphan").expect(200);
    let guid = brokers["resources"][0]["guid"].as_str().unwrap();
    let path = format!("/v3/service_brokers/{guid}");
    ends(&api, &path, "DELETE", &Value::Null, "COMPLETE");
}

#[test]
fn a_space_stays_where_a_broker_does_not_let_go() {
    let daemon = Daemon::shared();
    let (cf, api) = (Cf::login(&daemon), Api::login(&daemon));
    let broker = Broker::start("stay-db");
    register(&api, "stay", &broker);
    cf.run(&["create-space", "stay-space"]);
    cf.run(&["target", "-s", "stay-space"]);
    cf.run(&["create-service", "stay-db", "small", "stay-one", "--wait"]);
    broker.answer("DELETE", "/v2/", says(400, r#"{"description":"never"}"#));
    let failed = cf.fail(&["delete-space", "stay-space", "-f"]);
    assert!(
        failed.contains(
            "Deletion of space stay-space failed because one or more resources within could not \
             be deleted.\n\n\tService instance stay-one: Service broker error: never"
        ),
        "{failed}"
    );
    broker.behave();
    cf.run(&["delete-space", "stay-space", "-f"]);
    assert_eq!(broker.holds(), (0, 0));
    cf.run(&["delete-service-broker", "stay", "-f"]);
}

#[test]
fn a_broker_that_contradicts_itself_or_never_ends_holds_up_nobody_else() {
    let daemon = Daemon::shared();
    let api = Api::login(&daemon);
    let (broker, good) = (Broker::start("never-db"), Broker::start("fine-db"));
    let plan = register(&api, "never", &broker);
    let fine = register(&api, "fine", &good);
    let space = api.space();
    broker.change(|rules| rules.later = true);
    let instances = "/v3/service_instances";
    let job = begins(
        &api,
        instances,
        "POST",
        &instance("never-one", &plan, &space),
    );
    let mut polls = 0;
    // None of these says how the operation stands.
    for canned in [
        says(200, r#"{"state":"maybe"}"#),
        says(200, "nonsense"),
        says(500, ""),
        says(404, "{}"),
        says(410, "{}"),
        says(302, ""),
    ] {
        broker.behave();
        broker.answer("GET", "last_operation", canned);
        polls = eventually("the broker to be polled", || {
            let now = broker.seen("GET", "last_operation").len();
            (now > polls).then_some(now)
        });
        // Somebody else's instances are made meanwhile.
        let name = format!("fine-{polls}");
        ends(
            &api,
            instances,
            "POST",
            &instance(&name, &fine, &space),
            "COMPLETE",
        );
        let found = found(&api, &name).unwrap();
        let path = format!("{instances}/{}", found["guid"].as_str().unwrap());
        ends(&api, &path, "DELETE", &Value::Null, "COMPLETE");
        assert_eq!(api.get(&job).expect(200)["state"], "POLLING");
    }
    broker.behave();
    job_ends(&api, &job, "COMPLETE");
    // Neither does one that does not answer at all.
    broker.answer(
        "GET",
        "/v2/service_instances/",
        Canned {
            delay: Duration::from_secs(600),
            ..says(200, "{}")
        },
    );
    ends(
        &api,
        instances,
        "POST",
        &instance("fine-last", &fine, &space),
        "COMPLETE",
    );
    broker.behave();
    broker.change(|rules| rules.later = false);
    for name in ["never-one", "fine-last"] {
        let found = found(&api, name).unwrap();
        let path = format!("{instances}/{}", found["guid"].as_str().unwrap());
        ends(&api, &path, "DELETE", &Value::Null, "COMPLETE");
    }
    for name in ["never", "fine"] {
        let path = format!("/v3/service_brokers?names={name}");
        let found = api.get(&path).expect(200)["resources"][0]["guid"].clone();
        let path = format!("/v3/service_brokers/{}", found.as_str().unwrap());
        ends(&api, &path, "DELETE", &Value::Null, "COMPLETE");
    }
}
