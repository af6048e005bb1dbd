//! Programs that are run beside a sandbox's command.

use std::{os::unix::net::UnixListener, time::Duration};

use pastina::sandbox::{
    self, Kind, Program, Streams, Visit, VisitEnd, VisitError, Visitor, Window,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::{Case, PATIENCE, alive, output, processes_with, running, says, shell};
use crate::support::until;

fn script(text: &str) -> Visit {
    Visit::new(Program::Command(
        ["/bin/sh", "-c", text].map(str::to_owned).into(),
    ))
}

/// What a visit with pipes wrote and how it ended, when `input` was all it was told.
async fn told(case: &Case, visit: &Visit, input: &[u8]) -> (String, String, VisitEnd) {
    let visitor = sandbox::visit(&case.spec.dir, visit).await.unwrap();
    let Visitor { streams, mut life } = visitor;
    let Streams::Pipes {
        mut stdin,
        mut stdout,
        mut stderr,
    } = streams
    else {
        panic!("a terminal");
    };
    let talk = async {
        stdin.write_all(input).await.unwrap();
        drop(stdin);
        let (mut out, mut err) = (String::new(), String::new());
        stdout.read_to_string(&mut out).await.unwrap();
        stderr.read_to_string(&mut err).await.unwrap();
        (out, err, life.end().await)
    };
    tokio::time::timeout(PATIENCE, talk).await.unwrap()
}

/// A sandbox whose command says that it runs and stays.
async fn staying(case: &Case) -> sandbox::Sandbox {
    let sandbox = case.spawn().await;
    running(&sandbox).await;
    says(&sandbox, "ready").await;
    sandbox
}

const STAY: &str = "echo mine > /tmp/file; echo ready; exec sleep 1000";

#[tokio::test]
async fn a_visitor_has_the_commands_view_environment_and_walls() {
    let mut case = shell(STAY);
    case.spec
        .env
        .push(("COLOUR".to_owned(), "green".to_owned()));
    let sandbox = staying(&case).await;
    let mut visit =
        script("cat /tmp/file; echo $COLOUR $MORE $PWD $HOME; id -u; cat; echo no >&2; exit 5");
    visit.env.push(("MORE".to_owned(), "blue".to_owned()));
    let (out, err, end) = told(&case, &visit, b"typed\n").await;
    assert_eq!(out, "mine\ngreen blue /home/vcap /home/vcap\n2000\ntyped\n");
    assert_eq!((err.as_str(), end), ("no\n", VisitEnd::Code(5)));

    let walls = "grep -E '^(CapPrm|CapEff|NoNewPrivs|Seccomp):' /proc/self/status; \
                 cat /proc/self/cgroup; ls /proc/self/fd | wc -l";
    let (visitors, ..) = told(&case, &script(walls), b"").await;
    for line in [
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(visitors.contains(line), "no {line:?} in {visitors}");
    }
    // The three streams, and the folder that ls reads.
    assert!(visitors.ends_with("\n4\n"), "{visitors}");
    let (out, ..) = told(
        &case,
        &script("kill -9 1; unshare -U true; ls /proc/1/fd; mount -t tmpfs none /tmp; echo still"),
        b"",
    )
    .await;
    assert_eq!(out, "still\n");
    assert!(!output(&sandbox).contains("typed"));
    sandbox.stop(Duration::ZERO);
    super::support::ended(&sandbox).await;
    case.left_nothing().await;
}

#[tokio::test]
async fn a_visitor_gets_a_terminal_of_the_sandboxs_own() {
    let case = shell(STAY);
    let sandbox = staying(&case).await;
    let mut visit = script(
        "tty; stty size; read line; echo got $line; trap 'stty size; exit 3' WINCH; echo waits; while :; do sleep 0.02; done",
    );
    visit.terminal = Some(Window {
        columns: 100,
        rows: 30,
    });
    let visitor = sandbox::visit(&case.spec.dir, &visit).await.unwrap();
    let Visitor { streams, mut life } = visitor;
    let Streams::Terminal(terminal) = streams else {
        panic!("pipes");
    };
    let mut seen = String::new();
    let mut buffer = [0; 1000];
    let mut until = async |text: &str| {
        while !seen.contains(text) {
            let mut terminal = &terminal;
            let read = tokio::time::timeout(PATIENCE, terminal.read(&mut buffer));
            let read = read.await.unwrap().unwrap();
            assert!(read > 0, "the end instead of {text:?} after {seen:?}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    };
    until("/dev/pts/0\r\n30 100\r\n").await;
    terminal.write_all(b"hello\n").await.unwrap();
    until("got hello\r\nwaits\r\n").await;
    let window = Window {
        columns: 120,
        rows: 40,
    };
    terminal.resize(window).unwrap();
    until("40 120").await;
    assert_eq!(life.end().await, VisitEnd::Code(3));
    while (&terminal).read(&mut buffer).await.unwrap() > 0 {}
    sandbox.stop(Duration::ZERO);
}

#[tokio::test]
async fn a_visit_ends_with_whoever_asked_for_it_and_the_command_stays() {
    let case = shell(STAY);
    let sandbox = staying(&case).await;
    let mark = format!("31415.{}", std::process::id());
    let there = || !processes_with(&mark).is_empty();
    let visit = script(&format!("trap '' HUP; sleep {mark}"));
    let visitor = sandbox::visit(&case.spec.dir, &visit).await.unwrap();
    until("the visitor to run", there).await;
    drop(visitor);
    until("the visitor to be gone", || !there()).await;
    let (out, ..) = told(&case, &script("echo still here"), b"").await;
    assert_eq!(out, "still here\n");

    // A signal reaches the whole group.
    let visitor = sandbox::visit(&case.spec.dir, &visit).await.unwrap();
    let Visitor {
        streams: _streams,
        mut life,
    } = visitor;
    until("the visitor to run", there).await;
    life.signal(9).unwrap();
    assert_eq!(life.end().await, VisitEnd::Signal(9));

    // And the end of the sandbox is the end of all.
    let mut visitor = sandbox::visit(&case.spec.dir, &visit).await.unwrap();
    until("the visitor to run", there).await;
    let pid = running(&sandbox).await;
    sandbox.stop(Duration::ZERO);
    assert_eq!(visitor.life.end().await, VisitEnd::Lost);
    super::support::ended(&sandbox).await;
    assert!(!alive(pid) && !there());
    case.left_nothing().await;
}

#[tokio::test]
async fn files_are_served_without_any_program_for_it() {
    let case = shell(STAY);
    let sandbox = staying(&case).await;
    let visit = Visit::new(Program::Sftp);
    // The greeting, the removal of a file, and the path of where it stands.
    let mut asked = vec![0, 0, 0, 5, 1, 0, 0, 0, 3];
    asked.extend([0, 0, 0, 18, 13, 0, 0, 0, 1, 0, 0, 0, 9]);
    asked.extend(b"/tmp/file");
    asked.extend([0, 0, 0, 10, 16, 0, 0, 0, 2, 0, 0, 0, 1, b'.']);
    let visitor = sandbox::visit(&case.spec.dir, &visit).await.unwrap();
    let Visitor { streams, mut life } = visitor;
    let Streams::Pipes {
        mut stdin,
        mut stdout,
        ..
    } = streams
    else {
        panic!("a terminal");
    };
    stdin.write_all(&asked).await.unwrap();
    drop(stdin);
    let mut answer = Vec::new();
    stdout.read_to_end(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer);
    for part in ["posix-rename@openssh.com", "Success", "/home/vcap"] {
        assert!(text.contains(part), "no {part:?} in {text:?}");
    }
    assert_eq!(life.end().await, VisitEnd::Code(0));
    let (out, ..) = told(&case, &script("ls /tmp"), b"").await;
    assert_eq!(out, "");
    sandbox.stop(Duration::ZERO);
}

#[tokio::test]
async fn what_cannot_be_visited_says_why() {
    let mut case = shell(STAY);
    let sandbox = staying(&case).await;
    let missing = Visit::new(Program::Command(vec!["no-such-program".to_owned()]));
    let (_, err, end) = told(&case, &missing, b"").await;
    assert!(err.contains("no-such-program: not found in PATH"), "{err}");
    assert_eq!(end, VisitEnd::Code(127));
    let long = script(&"x".repeat(100_000));
    let error = sandbox::visit(&case.spec.dir, &long).await.unwrap_err();
    assert!(matches!(error, VisitError::TooLong), "{error}");
    let mut visitors = Vec::new();
    let error = loop {
        match sandbox::visit(&case.spec.dir, &script("sleep 1000")).await {
            Ok(visitor) => visitors.push(visitor),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, VisitError::TooMany), "{error}");
    assert_eq!(visitors.len(), 32);
    drop(visitors);
    sandbox.stop(Duration::ZERO);
    super::support::ended(&sandbox).await;

    case = shell(STAY);
    case.spec.kind = Kind::Build;
    let sandbox = staying(&case).await;
    let error = sandbox::visit(&case.spec.dir, &script(""))
        .await
        .unwrap_err();
    assert!(matches!(error, VisitError::NoShell), "{error}");
    sandbox.stop(Duration::ZERO);
}

#[tokio::test]
async fn an_init_of_an_earlier_release_cannot_and_that_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(dir.path().join("connect.sock")).unwrap();
    // It closes the connection on what it takes for garbage.
    let kept = listener.try_clone().unwrap();
    std::thread::spawn(move || drop(kept.accept()));
    let error = sandbox::visit(dir.path(), &script("")).await.unwrap_err();
    assert!(matches!(error, VisitError::TooOld), "{error}");
}
