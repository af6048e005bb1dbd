//! The gateway's end.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

use super::bed::{Bed, DEADLINE, Origin, read_until, within};

#[tokio::test]
async fn a_drain_finishes_what_was_begun_and_takes_nothing_new() {
    let (reached, mut seen) = mpsc::channel(1);
    let (answer, answered) = tokio::sync::watch::channel(false);
    let origin = Origin::raw(move |mut stream, _| {
        let (reached, mut answered) = (reached.clone(), answered.clone());
        async move {
            read_until(&mut stream, "\r\n\r\n").await;
            reached.send(()).await.unwrap();
            answered.wait_for(|answered| *answered).await.unwrap();
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
                .await;
        }
    })
    .await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let addr = bed.http;
    let mut idle = TcpStream::connect(addr).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: none.test\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut idle, "exist.").await;
    let mut busy = TcpStream::connect(addr).await.unwrap();
    busy.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .await
        .unwrap();
    within(seen.recv()).await.unwrap();

    let drain = tokio::spawn(bed.gateway.drain(DEADLINE));
    assert_eq!(within(idle.read(&mut [0; 9])).await.unwrap_or(0), 0);
    // Once the idle connection has ended, the sockets are about to be closed.
    within(async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!drain.is_finished());
    answer.send_replace(true);
    let text = read_until(&mut busy, "done").await;
    assert!(text.contains("connection: close\r\n"), "{text}");
    within(drain).await.unwrap();
}

#[tokio::test]
async fn a_drain_ends_at_its_time() {
    let (reached, mut seen) = mpsc::channel(1);
    let origin = Origin::raw(move |mut stream, _| {
        let reached = reached.clone();
        async move {
            reached.send(()).await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    })
    .await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let mut client = TcpStream::connect(bed.http).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .await
        .unwrap();
    within(seen.recv()).await.unwrap();
    within(bed.gateway.drain(Duration::from_millis(20))).await;
    assert_eq!(within(client.read(&mut [0; 9])).await.unwrap_or(0), 0);
}
