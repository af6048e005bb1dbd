//! Managed services over the Open Service Broker API: with the stock command line through the
//! whole life of an instance, and with brokers that mean no good.

mod commands;
mod hostile;
mod later;
mod life;
mod places;
mod sharing;

use serde_json::{Value, json};

use crate::support::{Api, Broker, PASSWORD, USER, eventually};

/// The answer to `sent`, whose job must end so; the job.
#[track_caller]
fn ends(api: &Api, path: &str, method: &str, body: &Value, state: &str) -> Value {
    let job = begins(api, path, method, body);
    job_ends(api, &job, state)
}

/// Sends a request that is answered with a job; its path.
#[track_caller]
fn begins(api: &Api, path: &str, method: &str, body: &Value) -> String {
    let body = body.to_string();
    let mut arguments = vec!["-D", "-"];
    if body != "null" {
        arguments.extend([
            "-H",
            "Content-Type: application/json",
            "--data-binary",
            &body,
        ]);
    }
    let answer = api.curl(method, path, &arguments);
    assert_eq!(answer.status, 202, "{method} {path}: {}", answer.body);
    let location = answer
        .body
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("location: ")
                .map(str::to_owned)
        })
        .unwrap_or_else(|| panic!("no job: {}", answer.body));
    let (_, guid) = location.trim().rsplit_once('/').unwrap();
    format!("/v3/jobs/{guid}")
}

/// Waits until a job ends, which must be so; the job.
#[track_caller]
fn job_ends(api: &Api, job: &str, state: &str) -> Value {
    let ended = eventually("a job to end", || {
        let job = api.get(job).expect(200);
        ["COMPLETE", "FAILED"]
            .contains(&job["state"].as_str().unwrap())
            .then_some(job)
    });
    assert_eq!(ended["state"], state, "{ended}");
    ended
}

/// The text of a job's first error.
fn detail(job: &Value) -> &str {
    job["errors"][0]["detail"].as_str().unwrap_or_default()
}

fn to(guid: &str) -> Value {
    json!({ "data": { "guid": guid } })
}

/// What registers a broker.
fn registration(name: &str, broker: &Broker) -> Value {
    json!({
        "name": name,
        "url": broker.url(),
        "authentication": {
            "type": "basic", "credentials": { "username": USER, "password": PASSWORD },
        },
    })
}

/// Registers a broker that offers `name`, to everybody; the guid of its plan `small`.
#[track_caller]
fn register(api: &Api, name: &str, broker: &Broker) -> String {
    let body = registration(name, broker);
    ends(api, "/v3/service_brokers", "POST", &body, "COMPLETE");
    let path = format!("/v3/service_plans?service_broker_names={name}&names=small");
    let plans = api.get(&path).expect(200);
    let plan = plans["resources"][0]["guid"].as_str().unwrap().to_owned();
    let path = format!("/v3/service_plans/{plan}/visibility");
    api.send("POST", &path, &json!({ "type": "public" }))
        .expect(200);
    plan
}

/// What makes an instance.
fn instance(name: &str, plan: &str, space: &str) -> Value {
    json!({
        "type": "managed",
        "name": name,
        "relationships": { "service_plan": to(plan), "space": to(space) },
    })
}

/// The instance with this name, if there is one.
fn found(api: &Api, name: &str) -> Option<Value> {
    let list = api.get(&format!("/v3/service_instances?names={name}"));
    list.expect(200)["resources"].get(0).cloned()
}
