//! `git push` with the real git, over HTTPS and over SSH.

mod hostile;
mod source;
mod ssh;
mod support;

use std::{path::Path, process::Stdio};

use serde_json::json;

use self::support::{PASSWORD, Repo, refused, told, user};
use crate::support::{Api, Daemon, Own, Setup, eventually, is_root, text};

/// What runs in the examples here, with a page that can be told apart.
const SERVE: &str = "#!/usr/bin/env python3\n\
    import http.server, os\n\
    class Page(http.server.BaseHTTPRequestHandler):\n\
    \x20   def do_GET(self):\n\
    \x20       self.send_response(200)\n\
    \x20       self.end_headers()\n\
    \x20       self.wfile.write(PAGE)\n\
    PAGE = open('page.txt', 'rb').read()\n\
    http.server.HTTPServer(('', int(os.environ['PORT'])), Page).serve_forever()\n";

/// A program that serves `page`.
fn program(repo: &Repo, page: &str) {
    repo.file("serve.py", SERVE);
    repo.file("Procfile", "web: python3 serve.py\n");
    repo.file("page.txt", page);
}

#[test]
fn a_push_deploys_and_the_next_brings_what_is_new_alone() {
    let daemon = Daemon::shared();
    let repo = Repo::new(&daemon, "git-shop");
    program(&repo, "one");
    let noise: String = (0..400_000_u32)
        .map(|n| format!("{:08x}", n.wrapping_mul(2_654_435_761)))
        .collect();
    repo.file("noise.txt", &noise);
    repo.commit("one");
    let said = told(&repo.push(&["main"]));
    for part in [
        "remote: Deploying",
        "remote: -----> ",
        "remote: Staged in",
        "git-shop.localhost",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    assert!(said.contains("[new branch]"), "{said}");
    assert_eq!(daemon.get_ok("git-shop"), "one");
    let first = repo.kept();

    assert!(told(&repo.push(&["main"])).contains("Everything up-to-date"));

    repo.file("page.txt", "two");
    repo.commit("two");
    let said = told(&repo.push(&["main"]));
    assert!(said.contains("Replacing instances"), "{said}");
    assert_eq!(daemon.get_ok("git-shop"), "two");
    let more = repo.kept() - first;
    assert!(
        first > 100_000 && more < 10_000,
        "{more} bytes after {first}"
    );

    // What is deployed cannot be had back.
    let fetched = repo.git(&["fetch", "pastina"]);
    assert!(!fetched.status.success());
    assert!(
        text(&fetched).contains("cannot be fetched"),
        "{}",
        text(&fetched)
    );

    let api = Api::login(&daemon);
    let app = repo.app_guid();
    let path = format!("/v3/audit_events?target_guids={app}&types=audit.app.git-push");
    let events = api.get(&path).expect(200);
    let results: Vec<_> = events["resources"].as_array().unwrap().iter().collect();
    assert_eq!(results.len(), 2, "{events}");
    let commit = repo.head();
    assert!(
        results
            .iter()
            .any(|event| event["data"]["commit"] == json!(commit)),
        "{events}"
    );
    let packages = api.get(&format!("/v3/apps/{app}/packages")).expect(200);
    let noted = packages["resources"].to_string().contains(&commit);
    assert!(noted, "{packages}");
}

#[test]
fn a_build_that_fails_moves_no_branch() {
    let daemon = Daemon::shared();
    let repo = Repo::new(&daemon, "git-broken");
    program(&repo, "fine");
    repo.commit("fine");
    told(&repo.push(&["main"]));

    repo.remove(&["Procfile", "serve.py", "page.txt"]);
    repo.file("requirements.txt", "no-such-package-anywhere==1.0\n");
    repo.file("app.py", "print('never')\n");
    repo.commit("a dependency that there is not");
    let said = refused(&repo.push(&["main"]));
    assert!(said.contains("remote: "), "{said}");
    assert!(
        said.contains("! [remote rejected] main -> main (the build failed"),
        "{said}"
    );
    assert_eq!(daemon.get_ok("git-broken"), "fine");

    // It was not moved, so the same is pushed again.
    let said = refused(&repo.push(&["main"]));
    assert!(said.contains("the build failed"), "{said}");

    repo.git_ok(&["reset", "-q", "--hard", "HEAD~1"]);
    repo.file("page.txt", "mended");
    repo.commit("mended");
    told(&repo.push(&["main"]));
    assert_eq!(daemon.get_ok("git-broken"), "mended");
}

#[test]
fn a_version_that_does_not_start_is_refused_and_what_ran_goes_on() {
    let daemon = Daemon::shared();
    let repo = Repo::new(&daemon, "git-crash");
    program(&repo, "good");
    repo.commit("good");
    told(&repo.push(&["main"]));
    repo.file("serve.py", "import sys\nsys.exit('out of coffee')\n");
    repo.commit("bad");
    let said = refused(&repo.push(&["main"]));
    assert!(said.contains("out of coffee"), "{said}");
    assert!(said.contains("what ran before goes on"), "{said}");
    assert_eq!(daemon.get_ok("git-crash"), "good");

    // One that never ran can be mended by the next push, too.
    let repo = Repo::new(&daemon, "git-crash-first");
    repo.file("Procfile", "web: false\n");
    repo.commit("bad");
    let said = refused(&repo.push(&["main"]));
    assert!(said.contains("does not start"), "{said}");
    program(&repo, "mended");
    repo.commit("mended");
    told(&repo.push(&["main"]));
    assert_eq!(daemon.get_ok("git-crash-first"), "mended");
}

#[test]
fn history_can_be_rewritten_by_force_and_not_else() {
    let daemon = Daemon::shared();
    let repo = Repo::new(&daemon, "git-force");
    program(&repo, "one");
    repo.commit("one");
    told(&repo.push(&["main"]));
    repo.file("page.txt", "another one");
    repo.git_ok(&["commit", "-qa", "--amend", "-m", "another one"]);
    let said = refused(&repo.push(&["main"]));
    assert!(said.contains("rejected"), "{said}");
    let said = told(&repo.push(&["--force", "main"]));
    assert!(said.contains("forced update"), "{said}");
    assert_eq!(daemon.get_ok("git-force"), "another one");
}

#[test]
fn only_the_branch_that_the_app_names_is_deployed() {
    let daemon = Daemon::shared();
    let own = Own::login(&daemon);
    let repo = Repo::new(&daemon, "git-branch");
    program(&repo, "main");
    repo.commit("main");
    let said = refused(&repo.push(&["main:release"]));
    assert!(said.contains("only the branch main is deployed"), "{said}");
    told(&repo.push(&["main"]));

    let root = Path::new("/");
    let branch = own.json(root, &["git", "branch", "git-branch"]);
    assert_eq!(branch["branch"], "main");
    own.json(root, &["git", "branch", "git-branch", "release"]);
    let said = refused(&repo.push(&["main"]));
    assert!(
        said.contains("only the branch release is deployed"),
        "{said}"
    );
    repo.file("page.txt", "release");
    repo.commit("release");
    told(&repo.push(&["main:release"]));
    assert_eq!(daemon.get_ok("git-branch"), "release");

    let said = refused(&repo.push(&["--delete", "release"]));
    assert!(
        said.contains("remote rejected") || said.contains("delet"),
        "{said}"
    );
    repo.git_ok(&["tag", "v1"]);
    let both = refused(&repo.push(&["v1"]));
    assert!(both.contains("only the branch"), "{both}");
}

#[test]
fn the_manifest_is_honoured_and_stays_out_of_the_app() {
    let daemon = Daemon::shared();
    let repo = Repo::new(&daemon, "git-manifest");
    let manifest = "applications:\n- name: another-name\n  path: ./site\n  memory: 48M\n  \
                    env: {GREETING: annyeong}\n  buildpacks: [staticfile_buildpack]\n";
    repo.file("manifest.yml", manifest);
    repo.file("site/index.html", "안녕");
    repo.file("site/secret.txt", "not for anybody");
    repo.file("site/.cfignore", "secret.txt\n");
    repo.file("outside.html", "not of the app");
    repo.commit("a site");
    told(&repo.push(&["main"]));
    assert_eq!(daemon.get_ok("git-manifest"), "안녕");
    for path in [
        "/secret.txt",
        "/outside.html",
        "/manifest.yml",
        "/.cfignore",
    ] {
        assert_eq!(daemon.get("git-manifest", path).0, 404, "{path}");
    }
    let api = Api::login(&daemon);
    let app = repo.app_guid();
    let env = api
        .get(&format!("/v3/apps/{app}/environment_variables"))
        .expect(200);
    assert_eq!(env["var"]["GREETING"], "annyeong");
    let web = api
        .get(&format!("/v3/apps/{app}/processes/web"))
        .expect(200);
    assert_eq!(web["memory_in_mb"], 48);

    for (manifest, part) in [
        (
            "applications: [{name: x, path: ../..}]",
            "leads out of the repository",
        ),
        (
            "applications: [{name: x, path: nowhere}]",
            "not in the repository",
        ),
        ("applications: [{name: x, env: {A: ((a))}}]", "((a))"),
        ("applications: [{name: x, docker: {image: y}}]", "image"),
        ("applications: [", "is not right"),
        ("applications: [{name: x, memory: lots}]", "emory"),
    ] {
        repo.file("manifest.yml", manifest);
        repo.commit(part);
        let said = refused(&repo.push(&["main"]));
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    assert_eq!(daemon.get_ok("git-manifest"), "안녕");
}

#[test]
fn the_client_adds_the_remote_and_knows_who_pushes() {
    let daemon = Daemon::shared();
    let own = Own::login(&daemon);
    let repo = Repo::new(&daemon, "git-client");
    program(&repo, "by the client");
    repo.commit("one");
    own.json(
        repo.path(),
        &["git", "remote", "git-client", "--remote", "cloud"],
    );
    let pushed = repo.git_with(&own.environment(), &["push", "cloud", "main"]);
    told(&pushed);
    assert_eq!(daemon.get_ok("git-client"), "by the client");
    let printed = own.json(repo.path(), &["git", "remote", "x y", "--print"]);
    let url = printed["url"].as_str().unwrap();
    assert!(url.ends_with("/git/dev/dev/x%20y.git"), "{url}");
    // A token is for the platform that gave it.
    let asked = own.output_with(
        &["git", "credential", "get"],
        "protocol=https\nhost=elsewhere.example\n\n",
    );
    assert_eq!(text(&asked), "");
}

#[test]
fn who_may_not_push_does_not() {
    let daemon = Daemon::shared();
    let repo = Repo::new(&daemon, "git-strangers");
    program(&repo, "mine");
    repo.commit("mine");
    told(&repo.push(&["main"]));

    user(&daemon, "git-stranger", &[]);
    user(&daemon, "git-auditor", &["space_auditor"]);
    user(&daemon, "git-developer", &["space_developer"]);
    repo.file("page.txt", "theirs");
    repo.commit("theirs");
    let said = refused(&repo.push_as(("git-stranger", PASSWORD), &["main"]));
    assert!(said.contains("There is no such space"), "{said}");
    let said = refused(&repo.push_as(("git-auditor", PASSWORD), &["main"]));
    assert!(said.contains("Only developers"), "{said}");
    let said = refused(&repo.push_as(("git-developer", "wrong"), &["main"]));
    assert!(said.contains("Authentication failed"), "{said}");
    assert_eq!(daemon.get_ok("git-strangers"), "mine");

    // A token will do in the password's place, whatever the name.
    let token = Api::login_as(&daemon, "git-developer", PASSWORD).token;
    told(&repo.push_as(("anybody", &token), &["main"]));
    assert_eq!(daemon.get_ok("git-strangers"), "theirs");
}

#[test]
fn an_ordinary_users_platform_takes_pushes_too() {
    let daemon = Daemon::with(Setup {
        user: is_root().then_some(1500),
        ..Setup::default()
    });
    let repo = Repo::new(&daemon, "git-user");
    program(&repo, "one");
    repo.commit("one");
    told(&repo.push(&["main"]));
    assert_eq!(daemon.get_ok("git-user"), "one");
    repo.file("page.txt", "two");
    repo.commit("two");
    told(&repo.push(&["main"]));
    assert_eq!(daemon.get_ok("git-user"), "two");
}

#[test]
fn a_daemon_that_dies_under_a_push_takes_the_next_one() {
    let mut daemon = Daemon::start();
    let dir = {
        let repo = Repo::new(&daemon, "git-killed");
        repo.file("Procfile", "web: sleep 600\n");
        repo.commit("it never listens");
        let admin = ("admin", &*daemon.admin_password());
        let mut command = repo.command(&["push", "pastina", "main"]);
        command.env("GIT_ASKPASS", repo.asked(admin));
        let mut push = command.stderr(Stdio::null()).spawn().unwrap();
        let api = Api::login(&daemon);
        eventually("the app to be started", || {
            let apps = api.get("/v3/apps?names=git-killed").expect(200);
            (apps["resources"][0]["state"] == "STARTED").then_some(())
        });
        let dir = repo.into_folder();
        daemon.kill();
        assert!(!push.wait().unwrap().success());
        dir
    };
    daemon.spawn();
    let repo = Repo::again(&daemon, "git-killed", dir);
    program(&repo, "alive");
    repo.commit("it listens");
    let said = told(&repo.push(&["main"]));
    assert!(said.contains("[new branch]"), "{said}");
    assert_eq!(daemon.get_ok("git-killed"), "alive");
    let builds = std::fs::read_dir(daemon.state_dir().join("builds")).unwrap();
    let names: Vec<_> = builds.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        names
            .iter()
            .all(|name| !name.to_string_lossy().starts_with("push-")),
        "{names:?}"
    );
}
