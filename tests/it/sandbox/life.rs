//! From the start of a command to its end, as the daemon is told of it.

use std::{fs, path::PathBuf, time::Duration};

use pastina::{
    model::Exit,
    sandbox::{self, Bind, log::Stream},
};

use super::support::{Case, PATIENCE, ended, output, running, says, shell};

#[tokio::test]
async fn a_command_runs_and_its_output_and_exit_code_are_told() {
    let case = shell("echo out; echo err >&2; printf unfinished; exit 3");
    let sandbox = case.spawn().await;
    assert_eq!(ended(&sandbox).await, Exit::Code { code: 3 });
    let mut reader = sandbox.log(0).unwrap();
    let mut records: Vec<(Stream, String)> = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        assert!(record.at_ns > 0);
        records.push((
            record.stream,
            String::from_utf8_lossy(&record.line).into_owned(),
        ));
    }
    records.sort_by_key(|(stream, _)| *stream == Stream::Err);
    let expected = [
        (Stream::Out, "out"),
        (Stream::Out, "unfinished"),
        (Stream::Err, "err"),
    ];
    assert_eq!(
        records,
        expected.map(|(stream, line)| (stream, line.to_owned()))
    );
    assert_eq!(*sandbox.logged().borrow(), reader.offset());
    case.left_nothing().await;
    sandbox.remove().await.unwrap();
}

#[tokio::test]
async fn a_signal_that_ends_the_command_is_told() {
    assert_eq!(
        shell("kill -SEGV $$").run().await.0,
        Exit::Signal { signal: 11 }
    );
}

#[tokio::test]
async fn a_command_that_is_not_there_is_told() {
    let mut case = shell("");
    case.spec.argv = vec!["no-such-program".to_owned()];
    match case.run().await.0 {
        Exit::NotStarted { reason } => {
            assert!(reason.contains("no-such-program: not found"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_bind_that_is_not_there_is_told() {
    let mut case = shell("");
    let source = PathBuf::from("/no/such/folder");
    case.spec.binds = vec![Bind {
        source,
        target: "/mnt/x".into(),
        writable: false,
    }];
    match case.run().await.0 {
        Exit::NotStarted { reason } => assert!(reason.contains("/no/such/folder"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn stopping_lets_the_command_finish_in_the_grace_time() {
    let case = shell("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done");
    let sandbox = case.spawn().await;
    says(&sandbox, "ready").await;
    sandbox.stop(PATIENCE);
    assert_eq!(ended(&sandbox).await, Exit::Stopped { killed: false });
    assert!(output(&sandbox).contains("bye"));
    case.left_nothing().await;
}

#[tokio::test]
async fn what_does_not_stop_is_killed_and_a_second_stop_shortens() {
    let case = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    let sandbox = case.spawn().await;
    says(&sandbox, "ready").await;
    sandbox.stop(Duration::from_secs(3600));
    sandbox.stop(Duration::from_millis(50));
    assert_eq!(ended(&sandbox).await, Exit::Stopped { killed: true });
    case.left_nothing().await;
}

#[tokio::test]
async fn what_the_command_leaves_behind_inside_is_killed_with_it() {
    let case = shell("(setsid sleep 1000 &) ; (setsid sleep 1000 &); echo started");
    assert_eq!(case.run().await.0, Exit::Code { code: 0 });
}

#[tokio::test]
async fn many_start_at_once() {
    let cases: Vec<Case> = (0..20).map(|_| shell("echo one")).collect();
    for (exit, output) in futures_util::future::join_all(cases.iter().map(Case::run)).await {
        assert_eq!((exit, output.as_str()), (Exit::Code { code: 0 }, "one\n"));
    }
}

#[tokio::test]
async fn much_output_is_kept_within_its_bounds() {
    let mut case = shell("i=0; while [ $i -lt 20000 ]; do echo line $i of many; i=$((i+1)); done");
    case.spec.log_bytes = 300_000;
    let sandbox = case.spawn().await;
    assert_eq!(ended(&sandbox).await, Exit::Code { code: 0 });
    let size: u64 = ["log.0", "log.1"]
        .iter()
        .map(|name| fs::metadata(case.spec.dir.join(name)).unwrap().len())
        .sum();
    assert!(size < 400_000, "{size}");
    assert!(output(&sandbox).ends_with("line 19998 of many\nline 19999 of many\n"));
}

#[tokio::test]
async fn a_folder_with_a_long_path_is_no_obstacle() {
    let mut case = shell("sleep 1000");
    let dir = case.root.path().join("d".repeat(100)).join("e".repeat(100));
    fs::create_dir_all(&dir).unwrap();
    case.spec.dir = dir;
    let sandbox = case.spawn().await;
    running(&sandbox).await;
    let refused = sandbox::dial(&case.spec.dir, 1).await.unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(nix::libc::ECONNREFUSED));
    sandbox.stop(Duration::ZERO);
    assert_eq!(ended(&sandbox).await, Exit::Stopped { killed: true });
}
