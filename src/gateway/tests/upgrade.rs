//! Connections that change their protocol.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::bed::{Bed, Origin, read_until, within};

const ASK: &[u8] = b"GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\n\
                     Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";

#[tokio::test]
async fn a_websocket_is_carried_until_both_sides_have_ended() {
    let origin = Origin::raw(|mut stream, _| async move {
        let head = read_until(&mut stream, "\r\n\r\n").await.to_lowercase();
        assert!(head.contains("connection: upgrade\r\n"), "{head}");
        assert!(head.contains("upgrade: websocket\r\n"), "{head}");
        assert!(head.contains("sec-websocket-key: x\r\n"), "{head}");
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\nhello";
        stream.write_all(answer).await.unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        // The client has ended its half; this one still goes.
        stream
            .write_all(format!("got {rest}").as_bytes())
            .await
            .unwrap();
    })
    .await;
    let mut bed = Bed::new(vec![origin.at("a.test")]);
    let mut client = TcpStream::connect(bed.http).await.unwrap();
    client.write_all(ASK).await.unwrap();
    let head = read_until(&mut client, "hello").await;
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    assert!(
        head.to_lowercase().contains("sec-websocket-accept: y\r\n"),
        "{head}"
    );
    client.write_all(b"ping").await.unwrap();
    client.shutdown().await.unwrap();
    let mut rest = String::new();
    within(client.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "got ping");
    let line = bed.line().await;
    assert!(line.contains("\"GET /ws HTTP/1.1\" 101 4 13 "), "{line}");
}

#[tokio::test]
async fn an_upgrade_that_was_not_asked_for_is_refused() {
    let origin = Origin::raw(|mut stream, _| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    })
    .await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let answer = bed
        .talk("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_app_may_refuse_an_upgrade_and_one_to_http2_is_not_passed_on() {
    let origin = Origin::echo().await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let mut client = TcpStream::connect(bed.http).await.unwrap();
    client.write_all(ASK).await.unwrap();
    let answer = read_until(&mut client, "\n\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let h2c = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\
               Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    let answer = bed.talk(h2c).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && !answer.contains("h2c"),
        "{answer}"
    );
}
