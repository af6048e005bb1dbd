//! Brokers that do things later.

use serde_json::{Value, json};

use super::{begins, detail, ends, found, instance, job_ends, register, to};
use crate::support::{Api, Broker, Canned, Cf, Daemon, eventually};

fn key(name: &str, service: &str) -> Value {
    json!({ "type": "key", "name": name, "relationships": { "service_instance": to(service) } })
}

#[test]
fn what_takes_long_is_polled_and_shown() {
    let daemon = Daemon::shared();
    let (cf, api) = (Cf::login(&daemon), Api::login(&daemon));
    let broker = Broker::start("slow-db");
    register(&api, "slow", &broker);
    cf.run(&["enable-service-access", "slow-db"]);
    broker.change(|rules| rules.later = true);
    broker.change(|rules| rules.polls = 1_000);
    // Without --wait the client does not wait for the broker.
    let made = cf.run(&["create-service", "slow-db", "small", "slow-one"]);
    assert!(made.contains("Create in progress"), "{made}");
    let shown = eventually("the broker's words to be shown", || {
        let found = found(&api, "slow-one")?;
        (found["last_operation"]["description"] == "half of it").then_some(found)
    });
    assert_eq!(shown["last_operation"]["state"], "in progress");
    let guid = shown["guid"].as_str().unwrap();
    let path = format!("/v3/service_instances/{guid}");
    // While the broker is at it nothing else is begun.
    let refused = api.send("PATCH", &path, &json!({ "parameters": { "a": 1 } }));
    assert_eq!(
        refused.refusal(409),
        "An operation for service instance slow-one is in progress."
    );
    let refused = api.send("POST", "/v3/service_credential_bindings", &key("k", guid));
    let text = refused.refusal(422);
    assert!(
        text.contains("operation in progress for the service instance"),
        "{text}"
    );
    // It is done at last, and everything else goes the same way.
    broker.change(|rules| rules.polls = 1);
    cf.run(&["delete-service", "slow-one", "-f", "--wait"]);
    assert_eq!(broker.holds(), (0, 0));

    cf.run(&["create-service", "slow-db", "small", "slow-two", "--wait"]);
    cf.run(&["create-service-key", "slow-two", "key", "--wait"]);
    let shown = cf.run(&["service-key", "slow-two", "key"]);
    assert!(shown.contains("mysql://user:word@"), "{shown}");
    cf.run(&["update-service", "slow-two", "-p", "large", "--wait"]);
    // The instance takes its key along.
    cf.run(&["delete-service", "slow-two", "-f", "--wait"]);
    assert_eq!(broker.holds(), (0, 0));
    cf.run(&["delete-service-broker", "slow", "-f"]);
}

#[test]
fn what_fails_later_is_told_and_cleaned_up() {
    let daemon = Daemon::shared();
    let api = Api::login(&daemon);
    let broker = Broker::start("failing-db");
    let plan = register(&api, "failing", &broker);
    broker.change(|rules| {
        rules.later = true;
        rules.end = "failed";
    });
    let body = instance("failing-one", &plan, &api.space());
    let job = ends(&api, "/v3/service_instances", "POST", &body, "FAILED");
    assert_eq!(
        detail(&job),
        "create managed could not be completed: at last"
    );
    let failed = found(&api, "failing-one").unwrap();
    assert_eq!(failed["last_operation"]["state"], "failed");
    assert_eq!(failed["last_operation"]["description"], "at last");
    // What may have been made is deleted at the broker.
    broker.change(|rules| rules.later = false);
    eventually("the orphan to be deleted", || {
        (broker.holds().0 == 0).then_some(())
    });
    // The name is free again.
    broker.change(|rules| rules.end = "succeeded");
    ends(&api, "/v3/service_instances", "POST", &body, "COMPLETE");
    // A plan may say how long is long enough.
    broker.change(|rules| {
        rules.later = true;
        rules.polls = 1_000;
        rules.catalog["services"][0]["plans"][0]["maximum_polling_duration"] = 1.into();
    });
    let brokers = api.get("/v3/service_brokers?names=failing").expect(200);
    let guid = brokers["resources"][0]["guid"].as_str().unwrap();
    let path = format!("/v3/service_brokers/{guid}");
    let change = json!({ "url": broker.url() });
    ends(&api, &path, "PATCH", &change, "COMPLETE");
    let body = instance("failing-two", &plan, &api.space());
    let job = ends(&api, "/v3/service_instances", "POST", &body, "FAILED");
    assert_eq!(detail(&job), "The job execution has timed out.");
    assert_eq!(
        found(&api, "failing-two").unwrap()["last_operation"]["description"],
        "Service Broker failed to provision within the required time."
    );
    broker.change(|rules| rules.later = false);
    eventually("the orphan to be deleted", || {
        (broker.holds().0 == 1).then_some(())
    });
    for name in ["failing-one", "failing-two"] {
        let guid = found(&api, name).unwrap()["guid"]
            .as_str()
            .unwrap()
            .to_owned();
        let path = format!("/v3/service_instances/{guid}");
        ends(&api, &path, "DELETE", &Value::Null, "COMPLETE");
    }
    ends(&api, &path, "DELETE", &Value::Null, "COMPLETE");
}

#[test]
fn a_killed_daemon_goes_on_with_what_was_under_way() {
    let mut daemon = Daemon::start();
    let api = Api::login(&daemon);
    let broker = Broker::start("kill-db");
    let plan = register(&api, "kill", &broker);
    let space = api.space();
    // One that the broker is at, and one that it was just asked for.
    broker.change(|rules| {
        rules.later = true;
        rules.polls = 2;
    });
    let one = begins(
        &api,
        "/v3/service_instances",
        "POST",
        &instance("kill-one", &plan, &space),
    );
    eventually("the broker to be at it", || {
        (api.get(&one).expect(200)["state"] == "POLLING").then_some(())
    });
    broker.answer(
        "PUT",
        "/v2/service_instances/",
        Canned {
            status: 201,
            body: "{}".to_owned(),
            delay: std::time::Duration::from_secs(600),
            ..Canned::default()
        },
    );
    let two = begins(
        &api,
        "/v3/service_instances",
        "POST",
        &instance("kill-two", &plan, &space),
    );
    eventually("the broker to be asked", || {
        (broker.seen("PUT", "/v2/service_instances/").len() == 2).then_some(())
    });
    daemon.kill();
    broker.behave();
    daemon.spawn();
    job_ends(&api, &one, "COMPLETE");
    job_ends(&api, &two, "COMPLETE");
    // The second was asked for twice under the same name, and is there once.
    let asked = broker.seen("PUT", "/v2/service_instances/");
    assert_eq!((asked.len(), broker.holds().0), (3, 2));
    assert_eq!(asked[1].path, asked[2].path);
    for name in ["kill-one", "kill-two"] {
        let found = found(&api, name).unwrap();
        assert_eq!(found["last_operation"]["state"], "succeeded", "{found}");
    }
}
