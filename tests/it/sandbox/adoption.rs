//! When a daemon, a shim or an init goes.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use pastina::{
    model::Exit,
    sandbox::{self, Spec, Status},
};

use super::support::{PATIENCE, alive, ended, parent, prepare, running, says, shell, until};

#[tokio::test]
async fn a_later_daemon_adopts_and_reads_on() {
    let case =
        shell("echo one; while [ ! -e /home/vcap/go ]; do sleep 0.02; done; echo two; sleep 1000");
    let mut case = case;
    let home = case.folder("home", &[("x", "")]);
    case.spec.home = Some(home.clone());
    case.spec.home_writable = true;
    let first = case.spawn().await;
    let pid = running(&first).await;
    says(&first, "one").await;
    let mut reader = first.log(0).unwrap();
    assert_eq!(&reader.next().unwrap().unwrap().line[..], b"one");
    let offset = reader.offset();
    drop(first);

    let mut adopted = sandbox::adopt_all(case.root.path()).await.unwrap();
    adopted.retain(|(dir, _)| *dir == case.spec.dir);
    let second = adopted.remove(0).1.unwrap();
    assert_eq!(running(&second).await, pid);
    fs::write(home.join("go"), "").unwrap();
    let mut logged = second.logged();
    tokio::time::timeout(PATIENCE, logged.wait_for(|end| *end > offset))
        .await
        .unwrap()
        .unwrap();
    let mut reader = second.log(offset).unwrap();
    assert_eq!(&reader.next().unwrap().unwrap().line[..], b"two");
    second.stop(Duration::ZERO);
    ended(&second).await;

    // One that comes when all is over learns how it ended.
    let third = sandbox::adopt(&case.spec.dir).await.unwrap();
    assert_eq!(ended(&third).await, Exit::Stopped { killed: true });
    third.remove().await.unwrap();
}

/// Names the spec for [`a_daemon_that_will_be_killed`].
pub(super) const SPEC: &str = "PASTINA_TEST_SPEC";

#[tokio::test]
async fn a_daemon_that_is_killed_leaves_its_sandboxes_running() {
    let case = shell("echo ready; sleep 1000");
    let spec = case.root.path().join("spec.json");
    fs::write(&spec, serde_json::to_vec(&case.spec).unwrap()).unwrap();
    let mut daemon = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sandbox::adoption::a_daemon_that_will_be_killed"])
        .env(SPEC, &spec)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the sandbox to be there", || {
        case.spec.dir.join("status.json").exists()
    })
    .await;
    let sandbox = sandbox::adopt(&case.spec.dir).await.unwrap();
    let pid = running(&sandbox).await;
    drop(sandbox);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let sandbox = sandbox::adopt(&case.spec.dir).await.unwrap();
    says(&sandbox, "ready").await;
    assert_eq!(running(&sandbox).await, pid);
    assert!(alive(pid));
    let refused = sandbox::dial(&case.spec.dir, 1).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    sandbox.stop(Duration::ZERO);
    ended(&sandbox).await;
    case.left_nothing().await;
}

/// The other process of the test before it; nothing by itself.
#[tokio::test]
async fn a_daemon_that_will_be_killed() {
    let Some(spec) = std::env::var_os(SPEC) else {
        return;
    };
    prepare();
    let spec: Spec = serde_json::from_slice(&fs::read(spec).unwrap()).unwrap();
    let _sandbox = sandbox::spawn(&spec).await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn the_end_of_the_shim_is_the_end_of_everything_inside() {
    let case = shell("(setsid sleep 1000 &); echo ready; sleep 1000");
    let sandbox = case.spawn().await;
    let command = running(&sandbox).await;
    says(&sandbox, "ready").await;
    let init = parent(command);
    let shim = parent(init);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(shim),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    assert_eq!(ended(&sandbox).await, Exit::Lost);
    until("init to be gone", || !alive(init) && !alive(command)).await;
    case.left_nothing().await;
    // It is written down, for the daemon after this one.
    let again = sandbox::adopt(&case.spec.dir).await.unwrap();
    assert_eq!(ended(&again).await, Exit::Lost);
    again.remove().await.unwrap();
}

#[tokio::test]
async fn the_end_of_init_is_the_end_of_everything_inside() {
    let case = shell("echo ready; sleep 1000");
    let sandbox = case.spawn().await;
    let command = running(&sandbox).await;
    let init = parent(command);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(init),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    assert_eq!(ended(&sandbox).await, Exit::Signal { signal: 9 });
    assert!(!alive(command));
    case.left_nothing().await;
}

#[tokio::test]
async fn a_sandbox_survives_who_started_it_and_is_nobodys_zombie() {
    let case = shell("sleep 1000");
    let sandbox = case.spawn().await;
    let shim = parent(parent(running(&sandbox).await));
    assert_ne!(parent(shim), i32::try_from(std::process::id()).unwrap());
    let session = |pid: i32| nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(pid))).unwrap();
    assert_ne!(session(shim), nix::unistd::getsid(None).unwrap());
    let environment = fs::read(format!("/proc/{shim}/environ")).unwrap();
    assert_eq!(environment, b"");
    sandbox.stop(Duration::ZERO);
    ended(&sandbox).await;
}

#[tokio::test]
async fn garbage_and_too_many_listeners_do_not_harm_a_sandbox() {
    let case = shell("echo ready; sleep 1000");
    let sandbox = case.spawn().await;
    running(&sandbox).await;
    let folder = fs::File::open(&case.spec.dir).unwrap();
    let path = format!(
        "/proc/self/fd/{}/control.sock",
        std::os::fd::AsRawFd::as_raw_fd(&folder)
    );
    let connect = || std::os::unix::net::UnixStream::connect(&path).unwrap();
    let listeners: Vec<_> = (0..40).map(|_| connect()).collect();
    for garbage in [
        &b"{\n\n\0[]]\n"[..],
        b"{\"stop\":{\"grace_ms\":-1}}\n",
        &[b'x'; 100_000],
    ] {
        let _ = connect().write_all(garbage);
    }
    // One more than are taken in: it waits for its turn and does not take the sandbox for lost.
    let late = sandbox::adopt(&case.spec.dir).await.unwrap();
    drop(listeners);
    assert!(matches!(*sandbox.status().borrow(), Status::Running { .. }));
    late.stop(Duration::from_secs(u64::MAX));
    late.stop(Duration::ZERO);
    drop(late);
    assert!(matches!(ended(&sandbox).await, Exit::Stopped { .. }));
    case.left_nothing().await;
}
