//! Apps that are started, taken over and stopped.

use std::path::Path;

use pastina::{model::AppState, routing::Target};

use super::{machine::Machine, wanted::PYTHON};
use crate::support::until;

fn left(dir: &Path) -> usize {
    std::fs::read_dir(dir).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_outlives_its_daemon_with_every_line_of_its_log() {
    let machine = Machine::new();
    let daemon = machine.boot();
    let app = machine.push(&daemon, PYTHON, 1).await;
    let before = daemon.running(app, 1).await;
    let pid = daemon.ask(app, "/").await;
    let greeting = daemon.ask(app, "/GREETING").await;
    assert!(greeting.ends_with(" hello there"), "{greeting}");
    daemon.logged(app, "APP/PROC/WEB tick 50").await;
    daemon.logged(app, "CELL Container became healthy").await;

    for round in 1..=3 {
        daemon.handle.stop().await;
        let daemon = machine.boot();
        let after = daemon.running(app, 1).await;
        assert_eq!(after[0].id, before[0].id);
        assert_eq!(daemon.ask(app, "/").await, pid);
        daemon
            .logged(app, &format!("APP/PROC/WEB tick {}", 50 + round * 100))
            .await;
        let ticks: Vec<u32> = daemon
            .log(app)
            .iter()
            .filter_map(|line| line.strip_prefix("APP/PROC/WEB tick ")?.parse().ok())
            .collect();
        let whole: Vec<u32> = (0..u32::try_from(ticks.len()).unwrap()).collect();
        assert_eq!(ticks, whole);
        daemon.handle.stop().await;
    }

    let daemon = machine.boot();
    daemon.running(app, 1).await;
    machine
        .change(app, |app| app.state = AppState::Stopped)
        .await;
    daemon.until(app, <[_]>::is_empty).await;
    let instances = machine.root.path().join("instances");
    until("the instance's folder to be gone", || left(&instances) == 0).await;
    daemon.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_routed_without_a_process() {
    let machine = Machine::new();
    let daemon = machine.boot();
    let files = [("index.html", "<h1>hi</h1>"), ("Staticfile", "")];
    let app = machine.push(&daemon, &files, 2).await;
    daemon.running(app, 2).await;
    let entry = daemon
        .table
        .load()
        .lookup(&format!("www.{app}.example.kr"), "/")
        .unwrap()
        .clone();
    assert_eq!(entry.backends.len(), 2);
    let Target::Static { root, .. } = &entry.backends[0].target else {
        panic!("{entry:?}");
    };
    assert_eq!(
        std::fs::read_to_string(root.join("index.html")).unwrap(),
        "<h1>hi</h1>"
    );
    daemon.handle.stop().await;
}
