//! Classic buildpacks through the stock `cf`: made, detected, used, ordered, disabled, locked and
//! deleted; several in order; one from git; and those that go wrong.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use crate::support::{Cf, Daemon};

/// Writes a program.
fn program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A buildpack of ten lines for apps that have a file `hello.txt`: it answers with what is in it.
fn hello(folder: &Path, greeting: &str) {
    program(
        &folder.join("bin/detect"),
        "[ -e \"$1/hello.txt\" ] && echo hello-1.0",
    );
    program(
        &folder.join("bin/compile"),
        &format!(
            "count=$(cat \"$2/count\" 2> /dev/null || echo 0)\n\
             echo $((count + 1)) > \"$2/count\"\n\
             echo \"build $((count + 1)) on $CF_STACK\"\n\
             mkdir -p \"$1/.profile.d\"\n\
             echo 'export GREETING={greeting}' > \"$1/.profile.d/greeting.sh\"\n\
             cat > \"$1/serve.py\" << 'END'\n{SERVE}END"
        ),
    );
    program(
        &folder.join("bin/release"),
        "printf -- '---\\ndefault_process_types:\\n  web: python3 serve.py\\n'",
    );
}

const SERVE: &str = "import os\nfrom http.server import *\nclass H(BaseHTTPRequestHandler):\n    \
                     def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n        \
                     text = open('hello.txt').read().strip() + ' ' + os.environ.get('GREETING', '') + ' ' + \
                     os.environ.get('SUPPLIED', '')\n        self.wfile.write(text.encode())\n\
                     HTTPServer(('', int(os.environ['PORT'])), H).serve_forever()\n";

#[test]
fn a_buildpack_of_ten_lines_has_a_whole_life() {
    let daemon = Daemon::start();
    let cf = Cf::login(&daemon);
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let text = |name: &str| at(name).to_str().unwrap().to_owned();
    hello(&at("hello"), "one");
    hello(&at("other"), "two");
    fs::create_dir(at("app")).unwrap();
    fs::write(at("app/hello.txt"), "Hello").unwrap();

    // Made of a folder, and in the list before the runtimes.
    cf.run(&["create-buildpack", "hello", &text("hello"), "1"]);
    cf.run(&["create-buildpack", "other", &text("other"), "2"]);
    let positions = || {
        let list = cf.run(&["buildpacks"]);
        let names = list.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            words.next()?.parse::<u32>().ok()?;
            Some(words.next()?.to_owned())
        });
        names.take(3).collect::<Vec<_>>().join(" ")
    };
    assert!(positions().starts_with("hello other "), "{}", positions());

    // Detected, and its cache is the app's.
    let push = |arguments: &[&str]| {
        let app = text("app");
        cf.run(&[&["push", "classic", "-p", &app, "-m", "64M"], arguments].concat())
    };
    push(&[]);
    assert_eq!(daemon.get_ok("classic"), "Hello one ");
    let logs = cf.run(&["logs", "classic", "--recent"]);
    for part in ["hello-1.0", "build 1 on cflinuxfs4"] {
        assert!(logs.contains(part), "no {part:?} in {logs}");
    }
    let app = cf.run(&["app", "classic"]);
    assert!(app.contains("hello"), "{app}");
    push(&[]);
    let logs = cf.run(&["logs", "classic", "--recent"]);
    assert!(logs.contains("build 2 on"), "{logs}");

    // Ordered, disabled, named.
    cf.run(&["update-buildpack", "other", "-i", "1"]);
    assert!(positions().starts_with("other hello "), "{}", positions());
    push(&[]);
    assert_eq!(daemon.get_ok("classic"), "Hello two ");
    cf.run(&["update-buildpack", "other", "--disable"]);
    push(&[]);
    assert_eq!(daemon.get_ok("classic"), "Hello one ");
    let told = cf.fail(&["push", "classic", "-p", &text("app"), "-b", "other"]);
    assert!(told.contains("other is disabled"), "{told}");
    cf.run(&["update-buildpack", "other", "--enable"]);
    push(&["-b", "hello"]);
    assert_eq!(daemon.get_ok("classic"), "Hello one ");

    // Locked, its bits stay; unlocked, they are replaced.
    cf.run(&["update-buildpack", "hello", "--lock"]);
    hello(&at("hello"), "three");
    let told = cf.fail(&["update-buildpack", "hello", "-p", &text("hello")]);
    assert!(told.contains("locked"), "{told}");
    cf.run(&["update-buildpack", "hello", "--unlock"]);
    cf.run(&["update-buildpack", "hello", "-p", &text("hello")]);
    push(&["-b", "hello"]);
    assert_eq!(daemon.get_ok("classic"), "Hello three ");

    // Two at once: the first supplies, the last one finishes.
    program(
        &at("supplier/bin/supply"),
        "mkdir -p \"$3/$4/bin\"\nmkdir -p \"$1/.profile.d\"\n\
         echo \"export SUPPLIED=by-$4\" > \"$1/.profile.d/supplied.sh\"",
    );
    program(&at("supplier/bin/detect"), "exit 1");
    cf.run(&["create-buildpack", "supplier", &text("supplier"), "3"]);
    push(&["-b", "supplier", "-b", "hello"]);
    assert_eq!(daemon.get_ok("classic"), "Hello three by-0");
    let told = cf.fail(&[
        "push",
        "classic",
        "-p",
        &text("app"),
        "-b",
        "hello",
        "-b",
        "supplier",
    ]);
    assert!(told.contains("it has no bin/supply"), "{told}");

    // A Procfile goes over what it says about starting.
    fs::write(at("app/Procfile"), "web: GREETING=mine python3 serve.py\n").unwrap();
    push(&["-b", "hello"]);
    assert_eq!(daemon.get_ok("classic"), "Hello mine ");

    // Gone; the app runs on, and another name is told.
    cf.run(&["delete-buildpack", "hello", "-f"]);
    cf.run(&["delete-buildpack", "other", "-f"]);
    assert!(positions().starts_with("supplier "), "{}", positions());
    daemon.get_ok("classic");
    let told = cf.fail(&["push", "classic", "-p", &text("app"), "-b", "hello"]);
    assert!(
        told.contains("must be an existing admin buildpack"),
        "{told}"
    );
    // A runtime is no buildpack of the operator's.
    let told = cf.fail(&["update-buildpack", "python_buildpack", "--disable"]);
    assert!(told.contains("runtime of the platform"), "{told}");
    cf.run(&["delete", "classic", "-f", "-r"]);
}

/// The address is one that git is told to look for in the package itself: no network is needed.
#[test]
fn a_buildpack_comes_from_git() {
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    let dir = tempfile::tempdir().unwrap();
    let app = dir.path().join("app");
    let pack = dir.path().join("pack");
    hello(&pack, "git");
    fs::create_dir(&app).unwrap();
    fs::write(app.join("hello.txt"), "Hello").unwrap();
    let git = |arguments: &[&str], folder: &Path| {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.kr"])
            .args(arguments)
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    git(&["init", "-q", "-b", "main"], &pack);
    git(&["add", "."], &pack);
    git(&["commit", "-q", "-m", "one"], &pack);
    git(&["tag", "v1"], &pack);
    git(
        &["clone", "-q", "--bare", "pack", "app/pack.git"],
        dir.path(),
    );
    let manifest = dir.path().join("manifest.yml");
    fs::write(
        &manifest,
        "applications:\n- name: from-git\n  path: app\n  memory: 64M\n  buildpacks: \
         ['https://token@git.example.kr/pack.git#v1']\n  env:\n    GIT_CONFIG_COUNT: '1'\n    \
         GIT_CONFIG_KEY_0: url.file:///home/vcap/app/pack.git.insteadOf\n    GIT_CONFIG_VALUE_0: \
         https://token@git.example.kr/pack.git\n",
    )
    .unwrap();
    cf.run_in(dir.path(), &["push"]);
    assert_eq!(daemon.get_ok("from-git"), "Hello git ");
    let shown = cf.run(&["app", "from-git"]);
    assert!(!shown.contains("token@"), "{shown}");
    let told = cf.fail(&[
        "push",
        "from-git",
        "-p",
        app.to_str().unwrap(),
        "-b",
        "https://token@git.example.kr/pack.git#v9",
    ]);
    assert!(told.contains("has no branch or tag v9"), "{told}");
    cf.run(&["delete", "from-git", "-f", "-r"]);
}
