//! Apps that crash, and apps that never come up.

use pastina::{
    model::{AppState, InstanceState, InstanceView, Process, ProcessId},
    sandbox,
};

use super::{machine::Machine, wanted::PYTHON};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_is_explained_and_healed() {
    let machine = Machine::new();
    let daemon = machine.boot();
    let app = machine.push(&daemon, PYTHON, 1).await;
    let first = daemon.running(app, 1).await[0].id;
    daemon.ask(app, "/exit").await;
    let healed =
        |slots: &[InstanceView]| slots[0].state == InstanceState::Running && slots[0].id != first;
    let second = daemon.until(app, healed).await[0].id;
    daemon.logged(app, "APP/PROC/WEB Exit status 3").await;

    // Without control groups nobody counts what an app eats; `pastina doctor` says so.
    let mut expected = vec!["Exit status 3"];
    if sandbox::probe().cgroup.is_some() {
        daemon.ask(app, "/eat").await;
        let healed = |slots: &[InstanceView]| {
            slots[0].state == InstanceState::Running && slots[0].id != second
        };
        daemon.until(app, healed).await;
        let oom = "Exit status 137 (out of memory)";
        daemon.logged(app, &format!("APP/PROC/WEB {oom}")).await;
        expected.insert(
            0,
            "Exit status 137 (out of memory): the memory limit is 128M",
        );
    }
    let state = machine.store.state();
    let mut crashes: Vec<_> = state
        .events_of(&app.to_string())
        .filter(|event| event.kind == "app.crash")
        .map(|event| event.data["exit_description"].as_str().unwrap().to_owned())
        .collect();
    crashes.sort();
    assert_eq!(crashes, expected);
    machine
        .change(app, |app| app.state = AppState::Stopped)
        .await;
    daemon.until(app, <[_]>::is_empty).await;
    daemon.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_never_listens_is_told_so() {
    let machine = Machine::new();
    let daemon = machine.boot();
    let files = [("Procfile", "web: echo here I am; exec sleep 1000\n")];
    let app = machine.push(&daemon, &files, 1).await;
    machine
        .commit(|tx| {
            let mut web = Process::clone(&tx.processes[&ProcessId::from(app)]);
            web.health.timeout = Some(1);
            web.generation += 1;
            tx.put(web);
        })
        .await;
    daemon
        .logged(
            app,
            "HEALTH Failed after 1s: startup health check never passed.",
        )
        .await;
    daemon
        .logged(
            app,
            "HEALTH Failed to make TCP connection to port 8080: connection refused",
        )
        .await;
    let crashed = |slots: &[InstanceView]| {
        slots
            .first()
            .is_some_and(|slot| slot.state == InstanceState::Crashed)
    };
    let slots = daemon.until(app, crashed).await;
    assert_eq!(
        slots[0].details.as_deref(),
        Some("Failed after 1s: startup health check never passed.")
    );
    machine.commit(|tx| tx.delete(app)).await;
    daemon.until(app, <[_]>::is_empty).await;
    daemon.handle.stop().await;
}
