//! Daemons, shims and apps die; apps go on, changes stay, and whoever looks is told.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use crate::support::{Api, Cf, Daemon, Setup, eventually, folder, is_root, processes_with};

/// Answers with a number drawn at its start, and counts aloud.
const APP: &str = r#"
import http.server, os, threading, time

nonce = os.urandom(8).hex()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        text = nonce.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *values):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

def count():
    number = 0
    while True:
        print(f"tick {number}.", flush=True)
        number += 1
        time.sleep(0.05)

if os.environ.get("COUNTS"):
    threading.Thread(target=count, daemon=True).start()
Server(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// One request on a connection of its own: what came, or nothing where it broke off.
fn ask(at: &str, host: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .ok()?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}.localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.get(9..12)?.parse().ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.to_ascii_lowercase().contains("content-length: 16");
    // An answer that was cut off is one that did not come.
    (!length || body.len() == 16).then(|| (status, body.to_owned()))
}

/// The processes of an app that was started with `mark` in its command, as the host sees them.
fn pids(mark: &str) -> Vec<i32> {
    processes_with(&["python3 app.py", mark])
}

/// The shims of a daemon's instances, without the children that they forked.
fn shims(daemon: &Daemon) -> Vec<i32> {
    let dir = daemon.state_dir().join("instances");
    let all = processes_with(&["sandbox-shim", dir.to_str().unwrap()]);
    let parent = |pid: i32| -> Option<i32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    let forked = |pid: i32| parent(pid).is_some_and(|parent| all.contains(&parent));
    all.iter().copied().filter(|&pid| !forked(pid)).collect()
}

fn push(cf: &Cf, name: &str, mark: &str, more: &[&str]) {
    let files = folder(&[("app.py", APP)]);
    let command = format!("exec python3 app.py {mark}");
    let mut arguments = vec!["push", name, "-m", "64M", "-c", &command];
    arguments.extend(more);
    cf.run_in(files.path(), &arguments);
}

#[test]
fn twenty_daemons_are_killed_under_load() {
    let mut daemon = Daemon::start();
    let cf = Cf::login(&daemon);
    let mark = format!("load-{}", std::process::id());
    push(&cf, "load", &mark, &["-i", "2"]);
    eventually("both instances", || {
        cf.run(&["app", "load"]).contains("2/2").then_some(())
    });
    let (app, api) = (cf.guid("load"), Api::login(&daemon));
    let before = pids(&mark);
    assert_eq!(before.len(), 2);

    let at = daemon.http();
    let over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let load: Vec<_> = (0..2)
        .map(|_| {
            let (at, over, answered) = (at.clone(), Arc::clone(&over), Arc::clone(&answered));
            std::thread::spawn(move || {
                let mut nonces = BTreeSet::new();
                let mut wrong = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    match ask(&at, "load") {
                        Some((200, body)) => {
                            answered.fetch_add(1, Ordering::Relaxed);
                            nonces.insert(body);
                        }
                        Some(other) => wrong.push(other),
                        None => std::thread::yield_now(),
                    }
                }
                (nonces, wrong)
            })
        })
        .collect();

    for round in 0..20 {
        let served = answered.load(Ordering::Relaxed);
        eventually("requests to be answered", || {
            (answered.load(Ordering::Relaxed) > served + 5).then_some(())
        });
        let variable = format!("ROUND_{round}");
        let path = format!("/v3/apps/{app}/environment_variables");
        api.send(
            "PATCH",
            &path,
            &json!({ "var": { (variable.as_str()): "kept" } }),
        )
        .expect(200);
        daemon.kill();
        assert_eq!(pids(&mark), before, "after kill {round}");
        daemon.spawn();
        let variables = api.get(&path).expect(200);
        assert_eq!(
            variables["var"][variable.as_str()],
            "kept",
            "after kill {round}"
        );
        assert_eq!(pids(&mark), before, "after start {round}");
    }
    daemon.get_ok("load");
    eventually("both to be adopted", || {
        cf.run(&["app", "load"]).contains("2/2").then_some(())
    });
    over.store(true, Ordering::Relaxed);
    let mut nonces = BTreeSet::new();
    for thread in load {
        let (seen, wrong) = thread.join().unwrap();
        assert!(
            wrong.is_empty(),
            "answers while a daemon listened: {wrong:?}"
        );
        nonces.extend(seen);
    }
    assert_eq!(nonces.len(), 2, "an instance was started anew: {nonces:?}");
    let variables = api
        .get(&format!("/v3/apps/{app}/environment_variables"))
        .expect(200);
    assert_eq!(
        variables["var"].as_object().unwrap().len(),
        20,
        "{variables}"
    );
    let events = cf.run(&["events", "load"]);
    assert!(!events.contains("crash"), "{events}");
    assert_eq!(shims(&daemon).len(), 2);
}

/// The numbers that the app counted to, as `cf logs` shows them.
fn ticks(logs: &str) -> Vec<u64> {
    let parts = logs.split("OUT tick ").skip(1);
    parts
        .map(|rest| rest.split('.').next().unwrap().parse().unwrap())
        .collect()
}

/// The highest number that an instance wrote to its own log files.
fn highest_on_disk(daemon: &Daemon) -> u64 {
    let mut highest = 0;
    for instance in std::fs::read_dir(daemon.state_dir().join("instances"))
        .unwrap()
        .flatten()
    {
        for file in std::fs::read_dir(instance.path().join("sandbox"))
            .unwrap()
            .flatten()
        {
            if file.file_name().to_string_lossy().starts_with("log.") {
                let text = std::fs::read(file.path()).unwrap_or_default();
                let text = String::from_utf8_lossy(&text).into_owned();
                let numbers = text
                    .split("tick ")
                    .filter_map(|rest| rest.split('.').next()?.parse().ok());
                highest = numbers.max().unwrap_or(0).max(highest);
            }
        }
    }
    highest
}

#[test]
fn what_an_app_says_while_no_daemon_runs_is_in_its_log_once() {
    let mut daemon = Daemon::start();
    let cf = Cf::login(&daemon);
    let mark = format!("ticks-{}", std::process::id());
    push(&cf, "ticks", &mark, &["--no-start"]);
    cf.run(&["set-env", "ticks", "COUNTS", "1"]);
    cf.run(&["start", "ticks"]);
    let mut reached = 0;
    for _ in 0..3 {
        let logged = |at_least: u64| {
            let last = ticks(&cf.run(&["logs", "ticks", "--recent"]))
                .last()
                .copied();
            last.is_some_and(|last| last >= at_least).then_some(())
        };
        eventually("the ticks before to be logged", || logged(reached + 1));
        daemon.kill();
        let at_kill = highest_on_disk(&daemon);
        reached = eventually("the app to go on counting", || {
            let now = highest_on_disk(&daemon);
            (now > at_kill + 5).then_some(now)
        });
        daemon.spawn();
        eventually("what was said meanwhile to be logged", || logged(reached));
    }
    let logs = cf.run(&["logs", "ticks", "--recent"]);
    let ticks = ticks(&logs);
    let expected: Vec<u64> = (ticks[0]..ticks[0] + ticks.len() as u64).collect();
    assert_eq!(ticks, expected, "{logs}");
}

#[test]
fn an_instance_whose_shim_is_killed_is_replaced() {
    let daemon = Daemon::start();
    let cf = Cf::login(&daemon);
    let mark = format!("shim-{}", std::process::id());
    push(&cf, "shimless", &mark, &[]);
    let nonce = daemon.get_ok("shimless");
    let before = pids(&mark);
    let shim = shims(&daemon);
    assert_eq!((before.len(), shim.len()), (1, 1));
    kill(Pid::from_raw(shim[0]), Signal::SIGKILL).unwrap();
    eventually("another instance to answer", || {
        let (status, body) = daemon.get("shimless", "/");
        (status == 200 && body != nonce).then_some(())
    });
    eventually("the first to be gone", || {
        (!pids(&mark).contains(&before[0])).then_some(())
    });
    eventually("one instance to be left", || {
        (pids(&mark).len() == 1).then_some(())
    });
    let events = cf.run(&["events", "shimless"]);
    assert!(events.contains("audit.app.process.crash"), "{events}");
}

#[test]
fn an_app_that_exits_at_once_is_shown_as_crashed() {
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    let files = folder(&[("note", "nothing to see")]);
    let mut push = cf.command();
    push.current_dir(files.path());
    push.args(["push", "boom", "-m", "32M", "-b", "binary_buildpack"]);
    push.args(["-c", "echo I give up; exit 3"]);
    let pushed = push.output().unwrap();
    let text = crate::support::text(&pushed);
    assert!(!pushed.status.success(), "{text}");
    assert!(text.contains("Start unsuccessful"), "{text}");
    let app = eventually("the instance to be shown as crashed", || {
        let app = cf.run(&["app", "boom"]);
        app.contains("crashed").then_some(app)
    });
    for part in ["Exit status 3", "0/1"] {
        assert!(app.contains(part), "no {part:?} in {app}");
    }
    let logs = cf.run(&["logs", "boom", "--recent"]);
    for part in ["OUT I give up", "Exit status 3"] {
        assert!(logs.contains(part), "no {part:?} in {logs}");
    }
    let events = cf.run(&["events", "boom"]);
    for part in ["app.crash", "exit_status: 3"] {
        assert!(events.contains(part), "no {part:?} in {events}");
    }
    cf.run(&["delete", "boom", "-f", "-r"]);
}

const GREEDY: &str = r#"
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/eat":
            self.food = bytearray(os.urandom(256 << 20))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *values):
        pass

http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"#;

#[test]
fn an_app_beyond_its_memory_is_told_so() {
    let daemon = Daemon::shared();
    if !is_root()
        && daemon
            .log()
            .contains("memory, processor and process limits")
    {
        // Nothing to enforce it with, which the daemon says.
        return;
    }
    let cf = Cf::login(&daemon);
    let files = folder(&[("app.py", GREEDY)]);
    cf.run_in(files.path(), &["push", "greedy", "-m", "64M"]);
    daemon.get_ok("greedy");
    daemon.get("greedy", "/eat");
    let events = eventually("the crash to be an event", || {
        let events = cf.run(&["events", "greedy"]);
        events.contains("app.crash").then_some(events)
    });
    assert!(
        events.contains("(out of memory): the memory limit is 64M"),
        "{events}"
    );
    let logs = cf.run(&["logs", "greedy", "--recent"]);
    assert!(logs.to_lowercase().contains("out of memory"), "{logs}");
    // And it is started again.
    daemon.get_ok("greedy");
    cf.run(&["delete", "greedy", "-f", "-r"]);
}

const HOARDER: &str = r#"
import os, http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/hoard":
            try:
                for number in range(100):
                    with open(f"/tmp/{number}", "wb", buffering=0) as file:
                        for _ in range(10): file.write(b"x" * (1 << 20))
            except OSError:
                pass
        if self.path == "/end": os._exit(3)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"well")
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"#;

#[test]
fn an_app_beyond_its_disk_is_told_so() {
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    let files = folder(&[("app.py", HOARDER)]);
    cf.run_in(files.path(), &["push", "hoarder", "-m", "64M", "-k", "64M"]);
    daemon.get_ok("hoarder");
    daemon.get("hoarder", "/hoard");
    if is_root() {
        // It lives on, and nothing more can be written.
        daemon.get_ok("hoarder");
        let path = format!("/v3/apps/{}/processes/web/stats", cf.guid("hoarder"));
        eventually("its disk to be shown as full", || {
            let stats: serde_json::Value = serde_json::from_str(&cf.run(&["curl", &path])).unwrap();
            let stats = &stats["resources"][0];
            assert_eq!(stats["disk_quota"], 64 << 20);
            let used = stats["usage"]["disk"].as_u64().unwrap_or_default();
            (used > 50 << 20).then_some(())
        });
        daemon.get("hoarder", "/end");
    }
    let told = "disk quota of 64M exceeded";
    eventually("the crash to be an event", || {
        let events = cf.run(&["events", "hoarder"]);
        (events.contains("app.crash") && events.contains(told)).then_some(())
    });
    let logs = cf.run(&["logs", "hoarder", "--recent"]);
    assert!(logs.contains(told), "{logs}");
    // And it is started again, with an empty disk.
    daemon.get_ok("hoarder");
    cf.run(&["delete", "hoarder", "-f", "-r"]);
}

#[test]
fn an_ordinary_user_is_told_what_is_not_enforced() {
    let user = is_root().then_some(1500);
    let daemon = Daemon::with(Setup {
        user,
        ..Setup::default()
    });
    let log = daemon.log();
    assert!(
        log.contains("WARN user ids of an app's own: without root"),
        "{log}"
    );
    assert!(log.contains("WARN disk quotas: only root"), "{log}");
    // With control groups of version 2 it may have got some delegated.
    let second = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let told = log.contains("WARN memory, processor and process limits: ");
    assert!(second || told, "{log}");
}
