//! Sites of files with what a `Staticfile`, a `Staticfile.auth`, `_headers` and `_redirects` say.

use std::process::Command;

use crate::support::{Cf, Daemon, eventually, folder};

/// `hong:password`, by bcrypt.
const LOGIN: &str = "hong:$2y$05$JIRWtDAsEGm3KNuCL6VBnuPsXpBAqMRGFQWmnjg/9VmNK1upKUqCC\n";

/// An answer's head and body.
fn ask(daemon: &Daemon, path: &str, arguments: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["-s", "-i", "--max-time", "20", "-H", "Host: site.localhost"])
        .args(arguments)
        .arg(format!("http://{}{path}", daemon.http()))
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_site_is_served_as_its_files_say_also_by_the_next_daemon() {
    let mut daemon = Daemon::start();
    let cf = Cf::login(&daemon);
    let site = folder(&[
        (
            "Staticfile",
            "root: dist\npushstate: enabled\nhttp_strict_transport_security: enabled\n",
        ),
        ("Staticfile.auth", LOGIN),
        ("dist/index.html", "<h1>시작</h1>"),
        ("dist/_headers", "/*\n  X-Frame-Options: DENY\n"),
        ("dist/_redirects", "/old/* /new/:splat 302\n"),
    ]);
    cf.run_in(site.path(), &["push", "site", "-m", "32M"]);
    let check = |daemon: &Daemon| {
        let refused = eventually("the site to ask for a password", || {
            let answer = ask(daemon, "/", &[]);
            answer.starts_with("HTTP/1.1 401 ").then_some(answer)
        });
        assert!(!refused.contains("시작"), "{refused}");
        let wrong = ask(daemon, "/", &["-u", "hong:wrong"]);
        assert!(wrong.starts_with("HTTP/1.1 401 "), "{wrong}");
        let login = ["-u", "hong:password"];
        let start = ask(daemon, "/users/7", &login).to_lowercase();
        for part in [
            "http/1.1 200 ",
            "<h1>시작</h1>",
            "x-frame-options: deny",
            "strict-transport-security: max-age=31536000",
        ] {
            assert!(start.contains(part), "{part}: {start}");
        }
        let moved = ask(daemon, "/old/a?b=c", &login).to_lowercase();
        assert!(moved.contains("location: /new/a?b=c"), "{moved}");
        for own in ["/_headers", "/Staticfile.auth"] {
            let answer = ask(daemon, own, &login);
            let body = answer.split("\r\n\r\n").nth(1);
            assert_eq!(body, Some("<h1>시작</h1>"), "{answer}");
        }
    };
    check(&daemon);
    daemon.kill();
    daemon.spawn();
    check(&daemon);

    // Another push takes the password away, and a variable sends everybody to HTTPS.
    let open = folder(&[("Staticfile", "directory: visible\n"), ("a.txt", "a")]);
    cf.run_in(open.path(), &["push", "site", "-m", "32M"]);
    eventually("the list of files", || {
        let list = ask(&daemon, "/", &[]);
        (list.contains("Index of /") && list.contains("a.txt")).then_some(())
    });
    cf.run(&["set-env", "site", "FORCE_HTTPS", "true"]);
    cf.run(&["restart", "site"]);
    eventually("the way to HTTPS", || {
        let answer = ask(&daemon, "/a.txt", &[]).to_lowercase();
        answer
            .contains("location: https://site.localhost")
            .then_some(())
    });
    cf.run(&["delete", "site", "-f", "-r"]);
}
