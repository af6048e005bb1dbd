//! What changes while the daemon runs, and what its signals mean.

use std::{fs, process::Command};

use nix::sys::signal::Signal;

use crate::support::{Cf, Daemon, Setup, eventually, folder, processes_with};

const RUNTIME: &str = r#"
name = "greeting"
label = "Greeting"
kind = "process"
buildpacks = ["greeting_buildpack"]
recognised_by = "greeting.txt"

[[detect]]
priority = 90
when.all = ["greeting.txt"]

[[start]]
when.all = ["greeting.txt"]
run = "exec perl serve.pl"
"#;

const SERVER: &str = r#"
use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalAddr => "0.0.0.0", LocalPort => $ENV{PORT}, Listen => 16, ReuseAddr => 1) or die $!;
while (my $client = $server->accept) {
  while (defined(my $line = <$client>)) { last if $line =~ /^\r?\n$/ }
  print $client "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
  close $client;
}
"#;

/// The subject of the certificate that a handshake shows.
fn shown(daemon: &Daemon) -> String {
    let output = Command::new("curl")
        .args(["-skv", "--resolve"])
        .arg(format!("app.test:{}:127.0.0.1", port(daemon)))
        .arg(format!("https://app.test:{}/", port(daemon)))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = said.lines().find(|line| line.contains("subject:"));
    line.unwrap_or_default().to_owned()
}

fn port(daemon: &Daemon) -> String {
    daemon.https().rsplit(':').next().unwrap().to_owned()
}

/// Writes a certificate with its key; the key first, as tools do.
fn certificate(dir: &std::path::Path, subject: &str) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(["app.test".to_owned()]).unwrap();
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, subject);
    let cert = parameters.self_signed(&key).unwrap();
    fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
    fs::write(dir.join("cert.pem"), cert.pem()).unwrap();
}

#[test]
fn a_new_runtime_and_a_new_certificate_take_effect() {
    let files = tempfile::tempdir().unwrap();
    let runtimes = files.path().join("runtimes");
    fs::create_dir(&runtimes).unwrap();
    certificate(files.path(), "the first");
    let setting = |key: &str, name: &str| {
        [
            "--set".to_owned(),
            format!("{key}={}", files.path().join(name).display()),
        ]
    };
    let arguments = [
        setting("runtimes_dir", "runtimes"),
        setting("tls.cert", "cert.pem"),
        setting("tls.key", "key.pem"),
    ];
    let arguments = arguments.concat();
    let daemon = Daemon::with(Setup {
        arguments,
        ..Setup::default()
    });
    assert!(shown(&daemon).contains("the first"), "{}", shown(&daemon));

    certificate(files.path(), "the second");
    eventually("the new certificate", || {
        shown(&daemon).contains("the second").then_some(())
    });

    // One that is broken leaves what was there, and is told.
    fs::write(files.path().join("cert.pem"), "nonsense").unwrap();
    eventually("the complaint", || {
        daemon
            .log()
            .contains("the certificates before stay in use")
            .then_some(())
    });
    assert!(shown(&daemon).contains("the second"));

    let cf = Cf::login(&daemon);
    let app = folder(&[("greeting.txt", "hello"), ("serve.pl", SERVER)]);
    let mut push = cf.command();
    let first = push
        .args(["push", "greeting", "-m", "32M"])
        .current_dir(app.path())
        .output();
    assert!(!first.unwrap().status.success());
    let reloads = |daemon: &Daemon| daemon.log().matches("read certificates, runtimes").count();
    let before = reloads(&daemon);
    fs::write(runtimes.join("greeting.toml"), RUNTIME).unwrap();
    eventually("the runtime to be read", || {
        (reloads(&daemon) > before).then_some(())
    });
    cf.run_in(app.path(), &["push", "greeting", "-m", "32M"]);
    assert_eq!(daemon.get_ok("greeting"), "hello");
    // Its name is one to ask for as well.
    let buildpacks = cf.run(&["buildpacks"]);
    assert!(buildpacks.contains("greeting_buildpack"), "{buildpacks}");
    let push = ["push", "greeting", "-m", "32M", "-b", "greeting_buildpack"];
    cf.run_in(app.path(), &push);
    assert_eq!(daemon.get_ok("greeting"), "hello");

    let before = reloads(&daemon);
    daemon.signal(Signal::SIGHUP);
    eventually("SIGHUP to be obeyed", || {
        (reloads(&daemon) > before).then_some(())
    });
    assert_eq!(daemon.get_ok("greeting"), "hello");
}

#[test]
fn sigterm_leaves_the_apps_and_sigint_ends_them() {
    let mut daemon = Daemon::start();
    let cf = Cf::login(&daemon);
    let mark = format!("signals-{}", std::process::id());
    let app = folder(&[("serve.pl", SERVER)]);
    let command = format!("exec perl serve.pl {mark}");
    let push = [
        "push",
        "signals",
        "-m",
        "32M",
        "-b",
        "binary_buildpack",
        "-c",
        &command,
    ];
    cf.run_in(app.path(), &push);
    assert_eq!(daemon.get_ok("signals"), "hello");
    let running = || processes_with(&["perl serve.pl", &mark]);
    let before = running();
    assert_eq!(before.len(), 1);

    daemon.end(Signal::SIGTERM);
    assert_eq!(running(), before);
    daemon.spawn();
    assert_eq!(daemon.get_ok("signals"), "hello");
    assert_eq!(running(), before);

    daemon.end(Signal::SIGINT);
    assert!(running().is_empty());
    // The next daemon starts it again, since it should run.
    daemon.spawn();
    assert_eq!(daemon.get_ok("signals"), "hello");
}
