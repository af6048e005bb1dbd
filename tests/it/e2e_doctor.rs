//! What `pastina doctor` says, of a daemon that runs and of the machine itself.

use std::path::Path;

use serde_json::Value;

use crate::support::{Daemon, Own, Setup, is_root};

/// Nobody's user id on the machines that tests run on.
const USER: u32 = 1501;

fn verdict<'a>(told: &'a Value, what: &str) -> Option<&'a str> {
    let findings = told["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["what"] == what)?;
    found["verdict"].as_str()
}

#[test]
fn the_doctor_tells_what_the_daemon_found_and_what_a_sandbox_shows() {
    let user = is_root().then_some(USER);
    let daemon = Daemon::with(Setup {
        user,
        ..Setup::default()
    });
    let own = Own::login(&daemon);
    let here = Path::new("/");

    let told = own.json(here, &["doctor"]);
    assert!(told["daemon"].is_u64(), "{told}");
    assert_eq!(verdict(&told, "sandboxes"), Some("enforced"), "{told}");
    let ids = verdict(&told, "user ids of an app's own");
    assert_eq!(ids, Some("weaker"), "{told}");

    let told = own.json(here, &["doctor", "--here"]);
    assert!(told["daemon"].is_null(), "{told}");
    for wall in ["no capabilities", "no new privileges", "system-call list"] {
        assert_eq!(verdict(&told, wall), Some("enforced"), "{told}");
    }
    for finding in told["findings"].as_array().unwrap() {
        let fine = finding["verdict"] == "enforced";
        assert!(fine || finding["remedy"].is_string(), "{finding}");
    }
    // What a host may lack has lines of its own, whether or not this one lacks it.
    for line in ["Landlock", "id-mapped mounts"] {
        assert!(verdict(&told, line).is_some(), "{told}");
    }
    let groups = verdict(&told, "memory, processor and process limits");
    assert!(
        groups
            .or(verdict(&told, "disk throughput ceilings"))
            .is_some(),
        "{told}"
    );
    // Without root there is always a line that could be better.
    own.fail(here, &["doctor", "--strict"], 1);
}
