//! The client against a server on a port of its own.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;

use super::*;

/// Answers every request with its method, path and body; `/slow` never.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
    if request.uri().path() == "/slow" {
        std::future::pending::<()>().await;
    }
    let length = request.headers().get("content-length").cloned();
    let head = format!("{} {} ", request.method(), request.uri().path());
    let body = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let text = [head.as_bytes(), &body.unwrap_or_default()].concat();
    let mut response = Response::new(Full::new(text.into()));
    if let Some(length) = length {
        response.headers_mut().insert("x-length", length);
    }
    Ok(response)
}

async fn server(tasks: &mut tokio::task::JoinSet<()>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(echo)),
            );
        }
    });
    address
}

fn client(config: Config) -> Client {
    Client::try_new(config, Lookup::default()).unwrap()
}

#[tokio::test]
async fn names_under_localhost_are_reached() {
    let mut tasks = tokio::task::JoinSet::new();
    let port = server(&mut tasks).await.port();
    let request = Request::get(format!("http://api.localhost:{port}/v3"))
        .body(empty())
        .unwrap();
    let response = client(Config::default()).fetch(request).await.unwrap();
    assert_eq!(response.body().as_ref(), b"GET /v3 ");
}

#[tokio::test]
async fn an_upload_has_a_length_and_tells_its_progress() {
    let mut tasks = tokio::task::JoinSet::new();
    let address = server(&mut tasks).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![b'x'; 200_000]).unwrap();
    let parts = vec![
        Part::Bytes("head ".into()),
        Part::File(tokio::fs::File::open(file.path()).await.unwrap(), 200_000),
        Part::Bytes(" tail".into()),
    ];
    let steps = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&steps);
    let upload = Upload::new(parts, move |sent, total| {
        told.lock().unwrap().push((sent, total))
    });
    let request = Request::post(format!("http://{address}/up"))
        .body(upload)
        .unwrap();
    let response = client(Config::default()).upload(request).await.unwrap();
    assert_eq!(response.headers()["x-length"], "200010");
    assert!(response.body().starts_with(b"POST /up head xxx"));
    assert!(response.body().ends_with(b"xxx tail"));
    assert_eq!(steps.lock().unwrap().last(), Some(&(200_010, 200_010)));
}

#[tokio::test]
async fn a_server_that_stays_silent_is_given_up() {
    let mut tasks = tokio::task::JoinSet::new();
    let address = server(&mut tasks).await;
    let config = Config {
        idle_timeout: Duration::from_millis(50),
        ..Config::default()
    };
    let request = Request::get(format!("http://{address}/slow"))
        .body(empty())
        .unwrap();
    let error = client(config).fetch(request).await.unwrap_err();
    assert!(matches!(error, NetError::Timeout { .. }), "{error:?}");
}

#[tokio::test]
async fn a_closed_port_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let request = Request::get(format!("http://{address}/"))
        .body(empty())
        .unwrap();
    let error = client(Config::default()).fetch(request).await.unwrap_err();
    assert!(matches!(error, NetError::Connect { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("cannot connect to {address}"));
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused() {
    let mut tasks = tokio::task::JoinSet::new();
    let address = server(&mut tasks).await;
    let config = Config {
        answer_limit: 3,
        ..Config::default()
    };
    let request = Request::get(format!("http://{address}/"))
        .body(empty())
        .unwrap();
    let error = client(config).fetch(request).await.unwrap_err();
    assert!(
        matches!(error, NetError::TooLarge { limit: 3, .. }),
        "{error:?}"
    );
}

/// A TLS server whose certificate nobody vouches for; gives its port and its certificate.
async fn tls_server(tasks: &mut tokio::task::JoinSet<()>) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let pem = made.cert.pem();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(echo))
                    .await;
            }
        }
    });
    (port, pem)
}

#[tokio::test]
async fn a_certificate_is_checked_unless_told_otherwise() {
    let mut tasks = tokio::task::JoinSet::new();
    let (port, pem) = tls_server(&mut tasks).await;
    let get = || {
        Request::get(format!("https://localhost:{port}/"))
            .header("connection", "close")
            .body(empty())
            .unwrap()
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();

    let refused = client(Config::default()).fetch(get()).await.unwrap_err();
    assert!(
        matches!(refused, NetError::Certificate { .. }),
        "{refused:?}"
    );
    for verify in [Verify::With(file.path().to_owned()), Verify::Skip] {
        let config = Config {
            verify,
            ..Config::default()
        };
        let response = client(config).fetch(get()).await.unwrap();
        assert_eq!(response.body().as_ref(), b"GET / ");
    }
}

/// A proxy that connects whoever says who it is to the port on the loopback, whatever was asked
/// for; it tells what that was.
async fn proxy(tasks: &mut tokio::task::JoinSet<()>, to: u16) -> (SocketAddr, Arc<Mutex<String>>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::<Mutex<String>>::default();
    let told = Arc::clone(&asked);
    tasks.spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let known = head.contains("\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n");
            *told.lock().unwrap() = head;
            if !known {
                let answer = b"HTTP/1.1 407 Who are you\r\n\r\n";
                client.write_all(answer).await.unwrap();
                continue;
            }
            let answer = b"HTTP/1.1 200 Go on\r\nVia: me\r\n\r\n";
            client.write_all(answer).await.unwrap();
            let mut server = tokio::net::TcpStream::connect(("127.0.0.1", to))
                .await
                .unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        }
    });
    (address, asked)
}

#[tokio::test]
async fn a_server_with_tls_is_asked_through_a_tunnel() {
    let mut tasks = tokio::task::JoinSet::new();
    let (port, _) = tls_server(&mut tasks).await;
    let (proxy, asked) = proxy(&mut tasks, port).await;
    let get = async |login: &str| {
        let named = ("HTTPS_PROXY".to_owned(), format!("http://{login}{proxy}"));
        let config = Config {
            verify: Verify::Skip,
            proxies: Proxies::named_by([named]),
            ..Config::default()
        };
        let request = Request::get("https://registry.pastina.test/v2/").body(empty());
        client(config).fetch(request.unwrap()).await
    };
    let response = get("me:secret@").await.unwrap();
    assert_eq!(response.body().as_ref(), b"GET /v2/ ");
    let head = asked.lock().unwrap().clone();
    assert!(
        head.starts_with("CONNECT registry.pastina.test:443 HTTP/1.1\r\n"),
        "{head}"
    );
    // The server's own headers are for the server.
    assert!(!head.contains("/v2/"), "{head}");

    let error = get("").await.unwrap_err();
    assert!(matches!(error, NetError::Connect { .. }), "{error:?}");
    let said = format!("{error:?}");
    assert!(said.contains("the proxy wants another login"), "{said}");
}
