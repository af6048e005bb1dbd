//! HTTP/2 and TLS through the gateway.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::bed::{Bed, Origin, entry, within};
use crate::model::AppProtocol;

#[tokio::test]
async fn http2_by_prior_knowledge_reaches_apps_of_both_kinds_with_trailers() {
    let origin = Origin::http(|request: Request<Incoming>| async move {
        let text = format!(
            "{:?} {} te={:?}",
            request.version(),
            request.uri().path(),
            request.headers().get("te")
        );
        let sum = (
            HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        );
        let frames = [
            Ok::<_, std::io::Error>(Frame::data(Bytes::from(text))),
            Ok(Frame::trailers(HeaderMap::from_iter([sum]))),
        ];
        let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames)));
        response
            .headers_mut()
            .insert("trailer", HeaderValue::from_static("grpc-status"));
        response
    })
    .await;
    let bed = Bed::new(vec![
        entry("one.test", vec![origin.backend(0, AppProtocol::Http1)]),
        entry("two.test", vec![origin.backend(0, AppProtocol::Http2)]),
    ]);
    let mut client = bed.http2().await;
    for (host, expected) in [("one.test", "HTTP/1.1"), ("two.test", "HTTP/2.0")] {
        for _ in 0..2 {
            let request = Request::post(format!("http://{host}/grpc"))
                .header("te", "trailers")
                .body(Full::new(Bytes::from_static(b"ping")))
                .unwrap();
            let response = within(client.send_request(request)).await.unwrap();
            assert_eq!(response.version(), Version::HTTP_2);
            let body = within(response.into_body().collect()).await.unwrap();
            assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
            let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
            assert_eq!(text, format!("{expected} /grpc te=Some(\"trailers\")"));
        }
    }
    assert_eq!(bed.gateway.counts().classes, [0, 4, 0, 0, 0]);
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let origin = Origin::echo().await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let client = bed.http2().await;
    let requests = (0..50).map(|number| {
        let mut client = client.clone();
        async move {
            let uri = format!("http://a.test/{number}");
            let request = Request::get(uri).body(Full::default()).unwrap();
            let response = client.send_request(request).await.unwrap();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(body.starts_with(format!("GET /{number} ").as_bytes()));
        }
    });
    within(futures_util::future::join_all(requests)).await;
    assert_eq!(bed.gateway.counts().connections, 1);
}

fn tls_client(bed: &Bed, alpn: &[u8]) -> tokio_rustls::TlsConnector {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(bed.certs.ca_pem_path()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config).into()
}

#[tokio::test]
async fn tls_carries_both_versions_with_a_certificate_for_the_name() {
    let origin = Origin::echo().await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    for (name, host) in [("a.test", "a.test"), ("127.0.0.1", "127.0.0.1")] {
        let stream = TcpStream::connect(bed.https).await.unwrap();
        let name = ServerName::try_from(name).unwrap();
        let mut stream = tls_client(&bed, b"http/1.1")
            .connect(name, stream)
            .await
            .unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        let expected = if host == "a.test" {
            "x-forwarded-proto: https\n"
        } else {
            "tls=true"
        };
        assert!(answer.contains(expected), "{answer}");
    }

    let stream = TcpStream::connect(bed.https).await.unwrap();
    let name = ServerName::try_from("a.test").unwrap();
    let stream = tls_client(&bed, b"h2").connect(name, stream).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://a.test/")
        .body(Full::<Bytes>::default())
        .unwrap();
    let response = within(client.send_request(request)).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(b"GET / HTTP/1.1\n"));
}

#[tokio::test]
async fn an_idle_connection_is_ended_with_notice() {
    let origin = Origin::echo().await;
    let bed = Bed::with(vec![origin.at("a.test")], |config| {
        config.limits.idle = std::time::Duration::from_millis(50);
    });
    let stream = TcpStream::connect(bed.http).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://a.test/")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(Full::<Bytes>::default())
        .unwrap();
    let response = within(client.send_request(request)).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("cookie: a=1; b=2\n"));
    // A clean end: the connection was told to go away before it was closed.
    within(connection).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_slow_reader_holds_up_neither_others_nor_memory() {
    let origin = Origin::http(|request: Request<Incoming>| async move {
        let endless = request.uri().path() == "/endless";
        let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
        let count = if endless { usize::MAX } else { 1 };
        let frames = (0..count).map(move |_| Ok::<_, std::io::Error>(Frame::data(chunk.clone())));
        Response::new(StreamBody::new(futures_util::stream::iter(frames)))
    })
    .await;
    let bed = Bed::new(vec![entry(
        "a.test",
        vec![origin.backend(0, AppProtocol::Http2)],
    )]);
    let mut client = bed.http2().await;
    let get = |path: &str| {
        let uri = format!("http://a.test{path}");
        Request::get(uri).body(Full::<Bytes>::default()).unwrap()
    };
    let endless = within(client.send_request(get("/endless"))).await.unwrap();
    let mut other = bed.http2().await;
    for _ in 0..20 {
        let response = within(other.send_request(get("/short"))).await.unwrap();
        let body = within(response.into_body().collect())
            .await
            .unwrap()
            .to_bytes();
        assert_eq!(body.len(), 64 * 1024);
    }
    drop(endless);
    assert_eq!(bed.gateway.counts().dials, 1);
}
