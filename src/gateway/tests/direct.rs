//! Requests that are passed on as they are, and where that ends.

use std::collections::BTreeSet;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::bed::{Bed, Origin, entry, read_until, within};
use crate::model::AppProtocol;

/// A backend that answers every request's head with these bytes, and then as `closes` says.
async fn saying(answer: &'static str, closes: bool) -> Origin {
    Origin::raw(move |mut stream, _| async move {
        let mut buffer = [0; 4096];
        let mut text = String::new();
        loop {
            match stream.read(&mut buffer).await {
                Ok(count @ 1..) => text.push_str(&String::from_utf8_lossy(&buffer[..count])),
                Ok(_) | Err(_) => return,
            }
            while let Some(end) = text.find("\r\n\r\n") {
                text.drain(..end + 4);
                if stream.write_all(answer.as_bytes()).await.is_err() || closes {
                    return;
                }
            }
        }
    })
    .await
}

async fn connect(bed: &Bed) -> TcpStream {
    TcpStream::connect(bed.http).await.unwrap()
}

async fn send(client: &mut TcpStream, text: &str) {
    client.write_all(text.as_bytes()).await.unwrap();
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

#[tokio::test]
async fn requests_that_were_sent_ahead_are_answered_in_their_order() {
    let origin = Origin::echo().await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let mut client = connect(&bed).await;
    let post = "POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc";
    let last = "GET /2 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    send(&mut client, &format!("{GET}{post}{last}")).await;
    let mut answers = String::new();
    within(client.read_to_string(&mut answers)).await.unwrap();
    let order: Vec<_> = ["GET / HTTP", "POST /1 HTTP", "abc", "GET /2 HTTP"]
        .map(|text| answers.find(text).unwrap_or_else(|| panic!("{answers}")))
        .into();
    assert!(order.is_sorted(), "{answers}");
    assert!(answers.contains("connection: close"), "{answers}");
}

#[tokio::test]
async fn a_connection_goes_on_after_something_unusual() {
    let origin = Origin::echo().await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let mut client = connect(&bed).await;
    let chunked = "POST /c HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nxyz\r\n0\r\n\r\n";
    for (request, end) in [(GET, "\n\n"), (chunked, "\n\nxyz"), (GET, "\n\n")] {
        send(&mut client, request).await;
        let answer = read_until(&mut client, end).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    assert_eq!(bed.gateway.counts().connections, 1);
}

#[tokio::test]
async fn an_app_is_told_the_same_whichever_way_a_request_goes() {
    let origin = Origin::echo().await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let fields = "Host: A.test:80\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n\
                  X-Forwarded-Proto: https\r\nX-Forwarded-Client-Cert: mine\r\nX-Request-Start: 5\r\n\
                  traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\
                  tracestate: a=b\r\nKeep-Alive: 5\r\nProxy-Authorization: Basic eA==\r\n\
                  X-Vcap-Request-Id: mine\r\nX-Cf-InstanceId: mine\r\nCookie: a=b\r\n\
                  Referer: r\r\nUser-Agent: u\r\nAccept: */*\r\n";
    let told = async |connection: &str| {
        let request = format!("GET /p?q HTTP/1.1\r\n{fields}Connection: {connection}\r\n\r\n");
        let answer = bed.talk(&request).await;
        let (_, text) = answer.split_once("\r\n\r\n").unwrap();
        let lines = text.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| match line.split_once(": ") {
                Some(("x-vcap-request-id", id)) => format!("an id of {} characters", id.len()),
                _ => line.to_owned(),
            })
            .collect::<BTreeSet<_>>()
    };
    let (short, long) = (told("close").await, told("close, x-nothing").await);
    assert_eq!(short, long);
    assert!(short.contains("x-forwarded-for: 1.1.1.1, 2.2.2.2, 127.0.0.1"));
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_does_not_end_the_clients() {
    let origin = saying("HTTP/1.0 200 Fine\r\nX: y\r\n\r\nwhole", true).await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let mut client = connect(&bed).await;
    for _ in 0..2 {
        send(&mut client, GET).await;
        let answer = read_until(&mut client, "0\r\n\r\n").await;
        assert!(
            answer.starts_with("HTTP/1.1 200 Fine\r\nX: y\r\n"),
            "{answer}"
        );
        assert!(
            answer.ends_with("\r\n\r\n5\r\nwhole\r\n0\r\n\r\n"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn answers_before_the_answer_are_passed_on() {
    let origin = saying(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        false,
    )
    .await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let mut client = connect(&bed).await;
    send(&mut client, GET).await;
    let answer = read_until(&mut client, "\r\n\r\nok").await;
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n";
    assert!(answer.starts_with(hints), "{answer}");
}

#[tokio::test]
async fn what_is_no_answer_becomes_502_and_what_breaks_off_does_not_look_whole() {
    for nonsense in [
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    ] {
        let origin = saying(nonsense, false).await;
        let bed = Bed::new(vec![origin.at("a.test")]);
        let mut client = connect(&bed).await;
        send(&mut client, GET).await;
        let answer = read_until(&mut client, "\n").await;
        assert!(
            answer.starts_with("HTTP/1.1 502 "),
            "{nonsense:?}: {answer}"
        );
    }
    for broken in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n-1\r\n",
    ] {
        let origin = saying(broken, true).await;
        let bed = Bed::new(vec![origin.at("a.test")]);
        let answer = bed.talk(GET).await;
        assert!(!answer.contains("0\r\n\r\n"), "{broken:?}: {answer}");
    }
}

#[tokio::test]
async fn what_comes_after_an_answer_is_nobodys() {
    let origin = saying(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nX-Evil: 1\r\n\
         Content-Length: 0\r\n\r\n",
        false,
    )
    .await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let mut client = connect(&bed).await;
    for _ in 0..3 {
        send(&mut client, GET).await;
        let answer = read_until(&mut client, "\r\n\r\nok").await;
        assert!(!answer.contains("X-Evil"), "{answer}");
    }
    assert_eq!(origin.count(), 3);
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_is_heard() {
    let origin = Origin::raw(|mut stream, _| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno\n";
        stream.write_all(answer).await.unwrap();
        // The rest is not read, and not asked for.
        let _ = within(stream.read(&mut [0; 1])).await;
    })
    .await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let mut client = connect(&bed).await;
    send(
        &mut client,
        "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000000\r\n\r\nsome",
    )
    .await;
    let answer = read_until(&mut client, "no\n").await;
    assert!(answer.starts_with("HTTP/1.1 413 Too Large\r\n"), "{answer}");
    assert_eq!(within(client.read(&mut [0; 1])).await.unwrap(), 0);
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_whatever_it_says() {
    let origin = saying("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", false).await;
    let bed = Bed::new(vec![entry(
        "a.test",
        vec![origin.backend(0, AppProtocol::Http1)],
    )]);
    let mut client = connect(&bed).await;
    for _ in 0..2 {
        send(&mut client, "HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        let answer = read_until(&mut client, "\r\n\r\n").await;
        assert!(answer.contains("Content-Length: 500\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
    assert_eq!(origin.count(), 1);
}
