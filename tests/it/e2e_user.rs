//! The main job with our own command line, as an ordinary user.

use std::path::Path;

use serde_json::Value;

use crate::support::{Daemon, Own, Setup, example, folder, is_root};

/// Nobody's user id on the machines that tests run on.
const USER: u32 = 1500;

#[test]
fn an_ordinary_user_pushes_with_our_own_command_line() {
    let user = is_root().then_some(USER);
    let daemon = Daemon::with(Setup {
        user,
        ..Setup::default()
    });
    let own = Own::login(&daemon);
    let here = Path::new("/");
    let examples = [
        ("static-site", "Hello from a static site"),
        ("python-plain", "Hello from Python"),
        ("procfile", "Hello from a Procfile"),
        ("wasm-c", "Hello from WebAssembly"),
    ];
    for (name, answer) in examples {
        // A copy, since another user need not be able to read where the sources are.
        let copy = copied(&example(name));
        own.json(copy.path(), &["push"]);
        assert!(daemon.get_ok(name).contains(answer));
    }
    let apps = own.json(here, &["apps"]).to_string();
    for (name, _) in examples {
        assert!(apps.contains(name), "no {name} in {apps}");
    }

    let app = own.json(here, &["app", "python-plain"]);
    assert!(app.to_string().contains("python-plain.localhost"), "{app}");
    // It returns when all of them run.
    let app = own.json(here, &["scale", "python-plain", "-i", "2"]);
    let running = app
        .to_string()
        .to_lowercase()
        .matches("\"running\"")
        .count();
    assert!(running >= 2, "{app}");
    own.json(here, &["set-env", "python-plain", "COLOUR", "blue"]);
    let env = own.json(here, &["env", "python-plain"]);
    assert!(env.to_string().contains("blue"), "{env}");
    let logs = own.output(here, &["logs", "python-plain", "--recent"]);
    let logs = String::from_utf8_lossy(&logs.stdout).into_owned();
    assert!(logs.contains("ready on port"), "{logs}");
    own.json(here, &["stop", "python-plain"]);
    daemon.get_gone("python-plain");
    own.json(here, &["start", "python-plain"]);
    daemon.get_ok("python-plain");
    own.json(here, &["route", "map", "python-plain", "other.localhost"]);
    daemon.get_ok("other");

    // Exit codes that scripts can use.
    own.fail(here, &["no-such-verb"], 2);
    let said = own.fail(here, &["app", "nothing"], 4);
    assert!(said.contains("nothing"), "{said}");
    let broken = folder(&[("requirements.txt", "./not-here\n"), ("app.py", "")]);
    own.fail(broken.path(), &["push", "broken"], 6);
    let quitter = folder(&[("Procfile", "web: exit 3\n")]);
    let said = own.fail(quitter.path(), &["push", "quitter"], 7);
    assert!(
        said.contains("Exit status 3") || said.contains("status 3"),
        "{said}"
    );

    for (name, _) in examples {
        let deleted: Value = own.json(here, &["delete", "-f", "-r", name]);
        drop(deleted);
        own.fail(here, &["app", name], 4);
    }
}

/// A copy of a folder with files and folders in it that everybody can read.
fn copied(from: &Path) -> tempfile::TempDir {
    let to = folder(&[]);
    let status = std::process::Command::new("cp")
        .arg("-r")
        .arg(from.join("."))
        .arg(to.path())
        .status();
    assert!(status.unwrap().success());
    to
}
