//! Tasks, by the stock command line and by ours.

use std::path::Path;

use serde_json::json;

use crate::support::{Api, Cf, Daemon, Own, eventually, folder, processes_with};

/// An app that is never started: its code and environment are all that tasks need.
fn code(cf: &Cf, name: &str) {
    let files = folder(&[(
        "Procfile",
        "web: sleep 1000\ntask: echo from the Procfile\n",
    )]);
    cf.run_in(files.path(), &["push", name, "-m", "64M", "--task"]);
}

/// The task's line in `cf tasks`.
fn line(cf: &Cf, app: &str, number: &str) -> String {
    let tasks = cf.run(&["tasks", app]);
    let mut lines = tasks.lines();
    let found = lines.find(|line| line.split_whitespace().next() == Some(number));
    found
        .unwrap_or_else(|| panic!("no {number} in {tasks}"))
        .to_owned()
}

#[test]
fn a_task_runs_once_with_the_apps_code_and_environment() {
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    code(&cf, "job");
    cf.run(&["set-env", "job", "COLOUR", "blue"]);
    let command = "echo colour $COLOUR in $PWD with $CF_INSTANCE_GUID && cat Procfile";
    let said = cf.run(&[
        "run-task", "job", "-c", command, "--name", "paint", "-m", "32M", "--wait",
    ]);
    assert!(
        said.contains("Task has been submitted successfully"),
        "{said}"
    );
    assert!(line(&cf, "job", "1").contains("SUCCEEDED"));
    let task = cf.run(&["task", "job", "1"]);
    for part in ["paint", "SUCCEEDED", command] {
        assert!(task.contains(part), "no {part:?} in {task}");
    }
    let logs = eventually("what it wrote", || {
        let logs = cf.run(&["logs", "job", "--recent"]);
        logs.contains("task: echo").then_some(logs)
    });
    let own = "[APP/TASK/paint/0]";
    let wrote = logs
        .lines()
        .find(|line| line.contains("colour blue"))
        .unwrap();
    assert!(
        wrote.contains(own) && wrote.contains("in /home/vcap/app with "),
        "{wrote}"
    );
    let events = cf.run(&["events", "job"]);
    assert!(events.contains("audit.app.task.create"), "{events}");

    // Without a command, that of the process named task.
    cf.run(&["run-task", "job", "--wait"]);
    eventually("what the Procfile says", || {
        let logs = cf.run(&["logs", "job", "--recent"]);
        logs.contains("OUT from the Procfile").then_some(())
    });

    // One that fails says so.
    let failed = cf.fail(&[
        "run-task", "job", "-c", "exit 3", "--name", "three", "--wait",
    ]);
    assert!(failed.contains("failed"), "{failed}");
    let task = cf.run(&["task", "job", "3"]);
    assert!(
        task.contains("APP/TASK/three: Exited with status 3"),
        "{task}"
    );
    let failed = cf.fail(&[
        "run-task",
        "job",
        "-m",
        "32M",
        "--name",
        "eats",
        "--wait",
        "-c",
        "python3 -c 'x = bytearray(1 << 28)'",
    ]);
    assert!(failed.contains("failed"), "{failed}");

    // One that is not wanted any more.
    let mark = format!("7{}", std::process::id());
    cf.run(&["run-task", "job", "-c", &format!("sleep {mark}")]);
    eventually("it to run", || {
        let running = line(&cf, "job", "5").contains("RUNNING");
        (running && !processes_with(&["sleep", &mark]).is_empty()).then_some(())
    });
    cf.run(&["terminate-task", "job", "5"]);
    eventually("its end", || {
        let task = cf.run(&["task", "job", "5"]);
        (task.contains("FAILED") && task.contains("task was cancelled")).then_some(())
    });
    assert!(processes_with(&["sleep", &mark]).is_empty());
    assert!(
        cf.fail(&["terminate-task", "job", "5"])
            .contains("cannot be canceled")
    );

    // What cannot be.
    let api = Api::login(&daemon);
    let path = format!("/v3/apps/{}/tasks", cf.guid("job"));
    for (body, words) in [
        (json!({}), "No command or template provided"),
        (json!({"command": "x", "memory_in_mb": 0}), "Memory in mb"),
        (json!({"command": "x", "colour": 1}), "colour"),
        (json!({"command": " "}), "blank"),
    ] {
        let answer = api.send("POST", &path, &body).refusal(422);
        assert!(answer.contains(words), "no {words:?} in {answer}");
    }
    let named = api
        .get(&format!("{path}?names=paint&states=SUCCEEDED"))
        .expect(200);
    assert_eq!(named["pagination"]["total_results"], 1, "{named}");
    let ours = api
        .get("/v3/tasks?states=FAILED&order_by=-created_at")
        .expect(200);
    assert!(
        ours.to_string().contains("Exited with status 137"),
        "{ours}"
    );
    cf.run(&["delete", "job", "-f"]);
}

#[test]
fn an_app_without_code_has_no_tasks() {
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    cf.run(&["create-app", "empty"]);
    let said = cf.fail(&["run-task", "empty", "-c", "true"]);
    assert!(said.contains("App is not staged"), "{said}");
    cf.run(&["delete", "empty", "-f"]);
}

#[test]
fn our_own_command_line_runs_tasks() {
    let daemon = Daemon::shared();
    let (cf, own, here) = (Cf::login(&daemon), Own::login(&daemon), Path::new("/"));
    code(&cf, "ours");
    let task = own.json(here, &["task", "run", "ours", "-c", "echo hi", "--wait"]);
    assert_eq!(task["state"], "SUCCEEDED", "{task}");
    let failed = own.fail(here, &["task", "run", "ours", "-c", "exit 9", "--wait"], 1);
    assert!(failed.contains("Exited with status 9"), "{failed}");
    let tasks = own.json(here, &["tasks", "list", "ours"]);
    assert_eq!(tasks.as_array().unwrap().len(), 2, "{tasks}");
    own.fail(here, &["task", "show", "ours", "7"], 4);
    cf.run(&["delete", "ours", "-f"]);
}

#[test]
fn a_task_outlives_the_daemon_and_its_result_is_not_lost() {
    let mut daemon = Daemon::start();
    let cf = Cf::login(&daemon);
    code(&cf, "long");
    let mark = format!("8{}", std::process::id());
    for (name, status) in [("good", 0), ("bad", 4)] {
        let command = format!(
            "echo {mark}; while ! [ -e /tmp/{name} ]; do sleep 0.05; [ $((n=n+1)) -lt 60 ] || break; done; exit {status}"
        );
        cf.run(&["run-task", "long", "-c", &command, "--name", name]);
    }
    eventually("both to run", || {
        (1..=2)
            .all(|number| line(&cf, "long", &number.to_string()).contains("RUNNING"))
            .then_some(())
    });
    daemon.kill();
    eventually("both to end by themselves", || {
        processes_with(&[&mark]).is_empty().then_some(())
    });
    daemon.spawn();
    eventually("both results", || {
        let good = line(&cf, "long", "1").contains("SUCCEEDED");
        (good && line(&cf, "long", "2").contains("FAILED")).then_some(())
    });
    let task = cf.run(&["task", "long", "2"]);
    assert!(task.contains("Exited with status 4"), "{task}");
    let logs = cf.run(&["logs", "long", "--recent"]);
    assert_eq!(logs.matches(&format!("OUT {mark}")).count(), 2, "{logs}");
}
