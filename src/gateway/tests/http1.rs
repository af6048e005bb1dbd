//! HTTP/1 through the gateway.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Incoming;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

use super::bed::{Bed, Origin, entry, read_until, within};
use crate::{gateway::Limits, model::AppProtocol};

#[tokio::test]
async fn a_connection_carries_many_requests_on_both_sides() {
    let origin = Origin::echo().await;
    let mut bed = Bed::new(vec![origin.at("a.test")]);
    let mut client = TcpStream::connect(bed.http).await.unwrap();
    for number in 0..3 {
        let request = format!("GET /{number}?q HTTP/1.1\r\nHost: A.test\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let answer = read_until(&mut client, "\n\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("x-vcap-request-id: "), "{answer}");
        assert!(
            answer.contains(&format!("GET /{number}?q HTTP/1.1\nhost: A.test")),
            "{answer}"
        );
        assert!(answer.contains("x-forwarded-for: 127.0.0.1\n"), "{answer}");
        assert!(
            answer.contains(&format!("x-cf-applicationid: {}\n", origin.app)),
            "{answer}"
        );
    }
    assert_eq!(origin.count(), 1);
    let line = bed.line().await;
    assert!(line.starts_with("A.test - ["), "{line}");
    assert!(line.contains("\"GET /0?q HTTP/1.1\" 200 0 "), "{line}");
    assert!(
        line.contains(&format!("app_id:\"{}\" app_index:\"0\"", origin.app)),
        "{line}"
    );
    let counts = bed.gateway.counts();
    assert_eq!(
        (counts.connections, counts.dials, counts.retries),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn chunks_and_trailers_go_both_ways() {
    let origin = Origin::http(|request: Request<Incoming>| async move {
        let body = request.into_body().collect().await.unwrap();
        let mark = body.trailers().unwrap()["x-mark"].clone();
        let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), mark)]);
        let frames = [
            Ok::<_, std::io::Error>(Frame::data(body.to_bytes())),
            Ok(Frame::trailers(trailers)),
        ];
        let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames)));
        response
            .headers_mut()
            .insert("trailer", HeaderValue::from_static("x-sum"));
        response
    })
    .await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let answer = bed
        .talk(
            "POST / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: close, te\r\n\
             Trailer: x-mark\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabc\r\n2\r\nde\r\n0\r\nx-mark: 42\r\n\r\n",
        )
        .await;
    assert!(
        answer.contains("transfer-encoding: chunked\r\n"),
        "{answer}"
    );
    assert!(
        answer.ends_with("5\r\nabcde\r\n0\r\nx-sum: 42\r\n\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_an_answer_it_understands() {
    let origin = Origin::http(|_| async {
        let frames = [Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(
            b"streamed",
        )))];
        Response::new(StreamBody::new(futures_util::stream::iter(frames)))
    })
    .await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let answer = bed.talk("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    assert!(
        !answer.contains("chunked") && answer.ends_with("\r\n\r\nstreamed"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_body_arrives_as_it_is_made() {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let receiver = std::sync::Mutex::new(Some(receiver));
    let receiver = std::sync::Arc::new(receiver);
    let origin = Origin::http(move |_| {
        let mut receiver = receiver.lock().unwrap().take().unwrap();
        async move {
            let frames = futures_util::stream::poll_fn(move |cx| {
                receiver
                    .poll_recv(cx)
                    .map(|chunk| chunk.map(|chunk| Ok::<_, std::io::Error>(Frame::data(chunk))))
            });
            Response::new(StreamBody::new(frames))
        }
    })
    .await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let mut client = TcpStream::connect(bed.http).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .await
        .unwrap();
    sender.send(Bytes::from_static(b"first")).await.unwrap();
    read_until(&mut client, "first").await;
    sender.send(Bytes::from_static(b"second")).await.unwrap();
    read_until(&mut client, "second").await;
    drop(sender);
    read_until(&mut client, "0\r\n\r\n").await;
}

#[tokio::test]
async fn a_client_that_waits_for_100_sends_its_body_only_where_it_is_wanted() {
    let origin = Origin::raw(|mut stream, number| async move {
        let head = read_until(&mut stream, "\r\n\r\n").await;
        assert!(
            head.to_lowercase().contains("expect: 100-continue"),
            "{head}"
        );
        if number == 1 {
            let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            // The gateway has to give the body up: nobody wants it.
            assert_eq!(within(stream.read(&mut [0; 9])).await.unwrap_or(0), 0);
        } else {
            stream
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await
                .unwrap();
            read_until(&mut stream, "body!").await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await
                .unwrap();
        }
    })
    .await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let ask =
        b"PUT / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let mut client = TcpStream::connect(bed.http).await.unwrap();
    client.write_all(ask).await.unwrap();
    let answer = read_until(&mut client, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");

    let mut client = TcpStream::connect(bed.http).await.unwrap();
    client.write_all(ask).await.unwrap();
    let answer = read_until(&mut client, "\r\n\r\n").await;
    assert_eq!(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"body!").await.unwrap();
    let answer = read_until(&mut client, "ok").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_request_at_the_backend() {
    let (gone, mut told) = mpsc::channel(1);
    let origin = Origin::raw(move |mut stream, _| {
        let gone = gone.clone();
        async move {
            read_until(&mut stream, "\r\n\r\n").await;
            gone.send(()).await.unwrap();
            let _ = stream.read(&mut [0; 9]).await;
            gone.send(()).await.unwrap();
        }
    })
    .await;
    let mut bed = Bed::new(vec![origin.at("a.test")]);
    let mut client = TcpStream::connect(bed.http).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .await
        .unwrap();
    within(told.recv()).await.unwrap();
    drop(client);
    within(told.recv()).await.unwrap();
    assert!(bed.line().await.contains("\" 499 0 0 "));
}

#[tokio::test]
async fn slow_heads_and_idle_connections_are_closed() {
    let origin = Origin::echo().await;
    let bed = Bed::with(vec![origin.at("a.test")], |config| {
        config.limits = Limits {
            header_time: std::time::Duration::from_millis(50),
            idle: std::time::Duration::from_millis(50),
            ..Limits::default()
        };
    });
    assert_eq!(bed.talk("").await, "");
    assert_eq!(bed.talk("GET / HTTP/1.1\r\nHost: a.te").await, "");
    let answer = bed.talk("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn heads_have_a_size() {
    let origin = Origin::echo().await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let large = format!(
        "GET / HTTP/1.1\r\nHost: a.test\r\nX: {}\r\n\r\n",
        "x".repeat(70_000)
    );
    assert!(bed.talk(&large).await.starts_with("HTTP/1.1 431 "));
    let many = format!(
        "GET / HTTP/1.1\r\nHost: a.test\r\n{}\r\n",
        "X: y\r\n".repeat(101)
    );
    assert!(bed.talk(&many).await.starts_with("HTTP/1.1 431 "));
    assert_eq!(origin.count(), 0);
}

#[tokio::test]
async fn requests_go_in_turn_and_a_new_table_counts_at_once() {
    let (one, two) = (Origin::echo().await, Origin::echo().await);
    let both = vec![
        one.backend(0, AppProtocol::Http1),
        two.backend(1, AppProtocol::Http1),
    ];
    let bed = Bed::new(vec![entry("a.test", both)]);
    let ask = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    for _ in 0..4 {
        bed.talk(ask).await;
    }
    let counts = bed.gateway.counts();
    assert_eq!((one.count(), two.count(), counts.dials), (1, 1, 2));
    bed.route(vec![two.at("b.test")]);
    assert!(bed.talk(ask).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_length_beside_chunks_from_an_app_is_not_passed_on() {
    let origin = Origin::raw(|mut stream, _| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
                       5\r\nabcde\r\n0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    })
    .await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let answer = bed
        .talk("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        .await;
    assert!(
        !answer.to_lowercase().contains("content-length"),
        "{answer}"
    );
    assert!(answer.contains("abcde"), "{answer}");
}

#[tokio::test]
async fn nothing_is_added_to_an_answer_without_a_body() {
    let origin = Origin::http(|_| async {
        let mut response = Response::new(Empty::<Bytes>::new());
        *response.status_mut() = http::StatusCode::NO_CONTENT;
        response
    })
    .await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let answer = bed
        .talk("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 204 No Content\r\n"),
        "{answer}"
    );
    assert!(
        !answer.contains("content-length") && !answer.contains("transfer-encoding"),
        "{answer}"
    );
}

#[tokio::test]
async fn large_bodies_go_through_whole() {
    let origin = Origin::echo().await;
    let mut bed = Bed::new(vec![origin.at("a.test")]);
    let body: String = (0..200_000)
        .map(|number| format!("{number:09}\n"))
        .collect();
    let head = "PUT / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n";
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let answer = bed.talk(&request).await;
    assert!(
        answer.ends_with(&format!("\n\n{body}")),
        "{} bytes",
        answer.len()
    );
    assert!(
        bed.line()
            .await
            .contains("\"PUT / HTTP/1.1\" 200 2000000 2000")
    );
}
