//! Connections into a sandbox, and out of it.

use std::{fs, io::Write, time::Duration};

use pastina::sandbox;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::support::{Case, PATIENCE, ended, running, shell};
use crate::support::soon;

/// A connection to the command's port, as soon as it listens; until then there is but one way
/// to be refused.
async fn served(case: &Case) -> TcpStream {
    soon("the command to listen", async || {
        match sandbox::dial(&case.spec.dir, 8080).await {
            Ok(stream) => Some(stream),
            Err(error) => {
                let refused = Some(nix::libc::ECONNREFUSED);
                assert_eq!(error.raw_os_error(), refused, "{error}");
                None
            }
        }
    })
    .await
}

#[tokio::test]
async fn dial_reaches_the_command_and_nothing_on_the_hosts_network() {
    let mut case = shell("exec python3 -u -m http.server 8080 --bind 127.0.0.1");
    let home = case.folder("home", &[("hello", "from inside")]);
    case.spec.home = Some(home);
    let sandbox = case.spawn().await;
    running(&sandbox).await;
    let mut stream = served(&case).await;
    assert!(stream.nodelay().unwrap());
    stream
        .write_all(b"GET /hello HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("from inside"), "{answer}");

    // A port of the host's loopback is not one of the sandbox's.
    let host = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = sandbox::dial(&case.spec.dir, host.local_addr().unwrap().port())
        .await
        .unwrap_err();
    assert_eq!(error.raw_os_error(), Some(nix::libc::ECONNREFUSED));

    // Garbage and peers that say nothing are in nobody's way.
    let socket = fs::File::open(&case.spec.dir).unwrap();
    let path = format!(
        "/proc/self/fd/{}/connect.sock",
        std::os::fd::AsRawFd::as_raw_fd(&socket)
    );
    let silent: Vec<_> = (0..600)
        .map(|_| std::os::unix::net::UnixStream::connect(&path).unwrap())
        .collect();
    let mut garbage = std::os::unix::net::UnixStream::connect(&path).unwrap();
    garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let dials = (0..50).map(|_| sandbox::dial(&case.spec.dir, 8080));
    for dialled in futures_util::future::join_all(dials).await {
        dialled.unwrap();
    }
    drop(silent);

    sandbox.stop(PATIENCE);
    ended(&sandbox).await;
    sandbox::dial(&case.spec.dir, 8080).await.unwrap_err();
    case.left_nothing().await;
}

#[tokio::test]
async fn dial_reaches_a_command_that_listens_on_ipv6_alone() {
    let case = shell("exec python3 -u -m http.server 8080 --bind ::1");
    let sandbox = case.spawn().await;
    running(&sandbox).await;
    served(&case).await;
    sandbox.stop(Duration::ZERO);
    ended(&sandbox).await;
}
