//! The stock `cf` pushes every example from its folder and works on it.

use std::{process::Command, sync::Arc};

use crate::support::{Cf, Daemon, eventually, example};

/// Whether a toolchain is there; CI installs all of them.
fn have(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output();
    found.unwrap().status.success()
}

/// Pushes an example from its folder and goes through the commands that a first user tries.
fn story(name: &str, answer: &str) {
    let daemon: Arc<Daemon> = Daemon::shared();
    let cf = Cf::login(&daemon);
    let pushed = cf.run_in(&example(name), &["push"]);
    assert!(pushed.contains(&format!("{name}.localhost")), "{pushed}");
    assert!(daemon.get_ok(name).contains(answer));

    let app = cf.run(&["app", name]);
    for part in [
        "requested state:   started",
        "instances:      1/1",
        "running",
    ] {
        assert!(app.contains(part), "no {part:?} in {app}");
    }
    let logs = eventually("the access to be in the log", || {
        let logs = cf.run(&["logs", name, "--recent"]);
        logs.contains("[RTR/").then_some(logs)
    });
    for part in ["[API/0]", "[STG/0]", "[CELL/0]"] {
        assert!(logs.contains(part), "no {part:?} in {logs}");
    }

    cf.run(&["scale", name, "-i", "2"]);
    eventually("both instances to run", || {
        let app = cf.run(&["app", name]);
        (app.contains("2/2") && app.contains("#1   running")).then_some(())
    });
    let events = cf.run(&["events", name]);
    for part in ["audit.app.create", "audit.app.process.scale", "admin"] {
        assert!(events.contains(part), "no {part:?} in {events}");
    }

    cf.run(&["delete", name, "-f", "-r"]);
    assert!(cf.fail(&["app", name]).contains("not found"));
    daemon.get_gone(name);
}

#[test]
fn a_static_site() {
    story("static-site", "Hello from a static site");
}

#[test]
fn a_procfile() {
    story("procfile", "Hello from a Procfile");
}

#[test]
fn a_wasm_component() {
    story("wasm-c", "Hello from WebAssembly");
}

#[test]
fn python_with_dependencies() {
    story("flask", "Hello from Flask");
}

#[test]
fn node_with_dependencies() {
    assert!(have("npm"), "npm is not here: run `make prerequisites`");
    story("express", "Hello from Express");
}

#[test]
fn a_go_service() {
    assert!(have("go"), "go is not here: run `make prerequisites`");
    story("go-service", "Hello from Go");
}

#[test]
fn a_java_program() {
    assert!(have("mvn"), "mvn is not here: run `make prerequisites`");
    story("java-jar", "Hello from Java");
}

#[test]
fn a_spring_boot_application() {
    assert!(have("mvn"), "mvn is not here: run `make prerequisites`");
    story("spring-boot", "Hello from Spring Boot");
}

#[test]
fn python_with_the_dependencies_of_pyproject() {
    story("pyproject", "Hello from pyproject.toml");
}

#[test]
fn every_command() {
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    let name = "every";
    let folder = example("python-plain");
    cf.run_in(&folder, &["push", name, "--no-manifest", "-m", "64M"]);
    assert_eq!(daemon.get_ok(name), "Hello from Python\n");
    assert!(cf.run(&["apps"]).contains(name));
    assert!(cf.run(&["app", name]).contains("1/1"));

    // The environment.
    cf.run(&["set-env", name, "COLOUR", "blue"]);
    assert!(cf.run(&["env", name]).contains("blue"));
    cf.run(&["unset-env", name, "COLOUR"]);
    assert!(!cf.run(&["env", name]).contains("blue"));

    // Its life.
    cf.run(&["stop", name]);
    assert!(
        cf.run(&["app", name])
            .contains("requested state:   stopped")
    );
    daemon.get_gone(name);
    cf.run(&["start", name]);
    daemon.get_ok(name);
    cf.run(&["restart", name]);
    daemon.get_ok(name);
    cf.run(&["restage", name]);
    daemon.get_ok(name);
    cf.run(&["scale", name, "-i", "2"]);
    eventually("both instances to run", || {
        cf.run(&["app", name]).contains("2/2").then_some(())
    });
    cf.run(&["scale", name, "-m", "96M", "-f"]);
    eventually("the new size", || {
        cf.run(&["app", name]).contains("of 96M").then_some(())
    });

    // Its addresses.
    cf.run(&["map-route", name, "localhost", "--hostname", "every-other"]);
    assert!(cf.run(&["routes"]).contains("every-other"));
    assert_eq!(daemon.get_ok("every-other"), "Hello from Python\n");
    cf.run(&[
        "unmap-route",
        name,
        "localhost",
        "--hostname",
        "every-other",
    ]);
    daemon.get_gone("every-other");
    daemon.get_ok(name);
    cf.run(&[
        "delete-route",
        "localhost",
        "--hostname",
        "every-other",
        "-f",
    ]);
    assert!(!cf.run(&["routes"]).contains("every-other"));

    // A second push of the same files says so, and keeps the app.
    cf.run_in(&folder, &["push", name, "--no-manifest"]);
    assert_eq!(daemon.get_ok(name), "Hello from Python\n");
    assert!(
        cf.run(&["logs", name, "--recent"])
            .contains("[APP/PROC/WEB/0]")
    );
    let events = cf.run(&["events", name]);
    for part in [
        "audit.app.stop",
        "audit.app.start",
        "audit.app.build.create",
        "audit.app.map-route",
    ] {
        assert!(events.contains(part), "no {part:?} in {events}");
    }
    cf.run(&["delete", name, "-f", "-r"]);
    assert!(!cf.run(&["apps"]).contains(name));
}
