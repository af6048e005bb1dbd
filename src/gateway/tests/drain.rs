//! The gateway's end.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

use super::bed::{Bed, DEADLINE, Origin, read_until, within};

/// Waits until nobody listens there.
async fn refused(addr: std::net::SocketAddr) {
    within(async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

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
    refused(addr).await;
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

#[tokio::test]
async fn a_drain_lets_http2_and_new_connections_finish() {
    let (reached, mut seen) = mpsc::channel(1);
    let (answer, answered) = tokio::sync::watch::channel(false);
    let origin = Origin::http(move |_| {
        let (reached, mut answered) = (reached.clone(), answered.clone());
        async move {
            reached.send(()).await.unwrap();
            answered.wait_for(|answered| *answered).await.unwrap();
            http::Response::new(http_body_util::Full::new(bytes::Bytes::from_static(
                b"done",
            )))
        }
    })
    .await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let mut client = bed.http2().await;
    let get = || http::Request::get("http://a.test/").body(http_body_util::Full::default());
    let pending = tokio::spawn(client.send_request(get().unwrap()));
    within(seen.recv()).await.unwrap();
    let mut idle = TcpStream::connect(bed.http).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: none.test\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut idle, "exist.").await;
    // Accepted, but its request comes after the drain has begun.
    let mut late = TcpStream::connect(bed.http).await.unwrap();
    within(async {
        while bed.gateway.counts().connections < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let drain = tokio::spawn(bed.gateway.drain(DEADLINE));
    assert_eq!(within(idle.read(&mut [0; 9])).await.unwrap_or(0), 0);
    late.write_all(b"GET / HTTP/1.1\r\nHost: none.test\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    within(late.read_to_string(&mut text)).await.unwrap();
    assert!(text.ends_with("does not exist.\n"), "{text}");
    answer.send_replace(true);
    assert_eq!(within(pending).await.unwrap().unwrap().status(), 200);
    within(drain).await.unwrap();
}
