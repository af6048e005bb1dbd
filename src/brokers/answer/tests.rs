//! What answers mean.

use super::*;
use crate::brokers::Outcome;

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        body: Bytes::from(body.to_owned()),
        retry_after: None,
    }
}

#[test]
fn instances_come_at_once_or_later() {
    let made = answer(201, r#"{"dashboard_url": "http://x"}"#).provisioned();
    let made = made.unwrap();
    assert_eq!(made.dashboard_url.as_deref(), Some("http://x"));
    assert_eq!(made.progress, Progress::Done);
    let made = answer(202, r#"{"operation": "task 7"}"#)
        .provisioned()
        .unwrap();
    assert_eq!(made.progress, Progress::Begun(Some("task 7".to_owned())));
    assert_eq!(answer(410, "").deleted().unwrap(), Progress::Done);
}

#[test]
fn what_makes_no_sense_is_told() {
    let check = |answer: &Answer, fault: Fault, outcome: Outcome, part: &str| {
        let error = answer.provisioned().unwrap_err();
        assert_eq!((error.fault, error.outcome), (fault, outcome), "{error}");
        assert!(error.message.contains(part), "{error}");
    };
    let malformed = |status| (Fault::Malformed, Outcome::Malformed(status));
    let (fault, outcome) = malformed(201);
    check(
        &answer(201, "<html>"),
        fault,
        outcome,
        "broker returned '<html>'",
    );
    check(&answer(201, "[]"), fault, outcome, "valid JSON object");
    check(
        &answer(201, r#"{"dashboard_url": 1}"#),
        fault,
        outcome,
        "'dashboard_url' to be a string",
    );
    let deep = format!(r#"{{"metadata": {}1{}}}"#, "[".repeat(100), "]".repeat(100));
    check(&answer(201, &deep), fault, outcome, "in each other");
    let (fault, outcome) = malformed(202);
    check(
        &answer(202, r#"{"operation": 7}"#),
        fault,
        outcome,
        "operation",
    );
    check(
        &answer(500, r#"{"description": "out of disk"}"#),
        Fault::BadResponse,
        Outcome::Status(500),
        "Service broker error: out of disk",
    );
    check(
        &answer(302, "elsewhere"),
        Fault::BadResponse,
        Outcome::Status(302),
        "Status Code: 302 Found, Body: elsewhere",
    );
    check(
        &answer(401, ""),
        Fault::AuthenticationFailed,
        Outcome::Status(401),
        "username and password",
    );
    check(
        &answer(422, r#"{"error": "AsyncRequired"}"#),
        Fault::AsyncRequired,
        Outcome::Status(422),
        "asynchronous",
    );
    check(
        &answer(500, &"x".repeat(100_000)),
        Fault::BadResponse,
        Outcome::Status(500),
        "truncated due to size",
    );
}

#[test]
fn a_binding_takes_no_more_than_its_offering_said() {
    let drain = answer(
        201,
        r#"{"credentials": {"a": 1}, "syslog_drain_url": "syslog://x"}"#,
    );
    assert_eq!(
        drain.bound(&[]).unwrap_err().fault,
        Fault::InvalidSyslogDrain
    );
    let bound = drain.bound(&["syslog_drain".to_owned()]).unwrap().unwrap();
    assert_eq!(bound.syslog_drain_url.as_deref(), Some("syslog://x"));
    let mounts = answer(201, r#"{"volume_mounts": [{"driver": "nfs"}]}"#);
    assert_eq!(
        mounts.bound(&[]).unwrap_err().fault,
        Fault::InvalidVolumeMounts
    );
    let none = answer(201, r#"{"volume_mounts": [], "credentials": null}"#);
    assert!(none.bound(&[]).unwrap().unwrap().credentials.is_empty());
    let list = answer(201, r#"{"credentials": []}"#);
    assert_eq!(list.bound(&[]).unwrap_err().fault, Fault::Malformed);
}

#[test]
fn a_last_operation_has_one_of_three_states() {
    let last = |status, body| answer(status, body).last_operation();
    assert_eq!(
        last(200, r#"{"state": "in progress", "description": "10 %"}"#).unwrap(),
        LastOperation::InProgress(Some("10 %".to_owned()))
    );
    assert_eq!(last(410, "{}").unwrap(), LastOperation::Gone);
    assert!(last(200, r#"{"state": "maybe"}"#).is_err());
    assert!(last(200, "nonsense").is_err());
    assert!(last(503, "").is_err());
}
