//! What the gateway itself answers, and which requests it refuses.

use std::sync::Arc;

use super::bed::{Bed, Origin, entry, within};
use crate::{
    gateway::{Config, Gateway, GatewayError, Listen},
    model::AppProtocol,
};

fn get(host: &str, more: &str) -> String {
    format!("GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n")
}

#[tokio::test]
async fn errors_are_cloud_foundrys() {
    let dead = Origin::dead().await;
    let mut bed = Bed::new(vec![entry("empty.test", vec![]), dead.at("dead.test")]);
    let answer = bed.talk(&get("none.test", "")).await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    assert!(
        answer.contains("x-cf-routererror: unknown_route\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("x-content-type-options: nosniff\r\n"),
        "{answer}"
    );
    let text = "404 Not Found: Requested route ('none.test') does not exist.\n";
    assert!(answer.ends_with(text), "{answer}");

    let answer = bed.talk(&get("empty.test", "")).await;
    assert!(
        answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("x-cf-routererror: no_endpoints\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("cache-control: public,max-age=2\r\n"),
        "{answer}"
    );

    let answer = bed.talk(&get("dead.test", "")).await;
    assert!(
        answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("x-cf-routererror: endpoint_failure (connection failed)"),
        "{answer}"
    );
    let line = bed.line().await;
    assert!(
        line.contains("x_cf_routererror:\"endpoint_failure (connection failed)\""),
        "{line}"
    );
    assert_eq!(bed.gateway.counts().dials, 3);

    let head = "HEAD / HTTP/1.1\r\nHost: none.test\r\nConnection: close\r\n\r\n";
    let answer = bed.talk(head).await;
    assert!(
        answer.contains("content-length: 61\r\n") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
    assert!(
        bed.talk("GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            .await
            .contains("empty_host")
    );
}

#[tokio::test]
async fn a_browser_gets_a_page_in_its_language() {
    let bed = Bed::new(vec![]);
    let ask = |language: &str| {
        get(
            "none.test",
            &format!("Accept: text/html,*/*;q=0.8\r\nAccept-Language: {language}\r\n"),
        )
    };
    let korean = bed.talk(&ask("ko-KR,ko;q=0.9,en;q=0.8")).await;
    assert!(
        korean.contains("content-type: text/html; charset=utf-8\r\n"),
        "{korean}"
    );
    assert!(korean.contains("이 주소에는 아무것도 없습니다"), "{korean}");
    assert!(
        bed.talk(&ask("en"))
            .await
            .contains("There is nothing at this address")
    );
}

#[tokio::test]
async fn the_platforms_own_hosts_go_to_the_api() {
    let bed = Bed::new(vec![]);
    let post = |host: &str| {
        format!(
            "POST /v3/apps?a=b HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
        )
    };
    for host in ["API.test:8080", "127.0.0.1:1", "[::1]", "localhost"] {
        let answer = bed.talk(&post(host)).await;
        let expected = format!("POST /v3/apps?a=b {host} 127.0.0.1 tls=false hi");
        assert!(answer.ends_with(&expected), "{answer}");
    }
    let absolute = "GET http://api.test/v3 HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n";
    assert!(
        bed.talk(absolute)
            .await
            .contains("GET /v3 api.test 127.0.0.1")
    );
}

#[tokio::test]
async fn messages_with_two_readings_are_refused() {
    let origin = Origin::echo().await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let head = "POST / HTTP/1.1\r\nHost: a.test\r\n";
    for (rest, status) in [
        (
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "transfer-encoding: gzip, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
            "501",
        ),
        (
            "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
            "400",
        ),
        ("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"),
        ("Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400"),
        ("Content-Length: +3\r\n\r\nabc", "400"),
        ("Content-Length: 3, 3\r\n\r\nabc", "400"),
        ("X: a\r\n b\r\n\r\n", "400"),
        ("X: a\rb\r\n\r\n", "400"),
        ("Host: b.test\r\nConnection: close\r\n\r\n", "400"),
    ] {
        let answer = bed.talk(&format!("{head}{rest}")).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{rest:?}: {answer}"
        );
    }
    for request in [
        "POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test/x\r\nConnection: close\r\n\r\n",
        "GET http://user@a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
        "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
    ] {
        let answer = bed.talk(request).await;
        assert!(
            answer.contains(" 400 Bad Request\r\n"),
            "{request:?}: {answer}"
        );
    }
    assert_eq!(origin.count(), 0);
    // What only looks like two lengths is none.
    let body = "9\r\nContent-L\r\n0\r\n\r\n";
    let request = format!("{head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{body}");
    assert!(bed.talk(&request).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn an_instance_can_be_addressed() {
    let (one, mut two) = (Origin::echo().await, Origin::echo().await);
    two.app = one.app;
    let both = vec![
        one.backend(0, AppProtocol::Http1),
        two.backend(1, AppProtocol::Http1),
    ];
    let bed = Bed::new(vec![entry("a.test", both)]);
    let ask = |address: &str| get("a.test", &format!("X-Cf-App-Instance: {address}\r\n"));
    for _ in 0..3 {
        let answer = bed.talk(&ask(&format!("{}:1", one.app))).await;
        assert!(answer.contains("x-cf-instanceindex: 1\n"), "{answer}");
    }
    assert_eq!((one.count(), two.count()), (0, 1));
    let answer = bed.talk(&ask(&format!("{}:2", one.app))).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        answer.contains("x-cf-routererror: unknown_route\r\n"),
        "{answer}"
    );
    let answer = bed.talk(&ask("nonsense")).await;
    assert!(
        answer.contains("x-cf-routererror: invalid_cf_app_instance_header\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_session_stays_with_its_instance() {
    let origin = || {
        Origin::http(|_| async {
            let mut response = http::Response::new(http_body_util::Empty::<bytes::Bytes>::new());
            let cookie = http::HeaderValue::from_static("JSESSIONID=x; Path=/; Secure");
            response.headers_mut().insert("set-cookie", cookie);
            response
        })
    };
    let (one, two) = (origin().await, origin().await);
    let both = vec![
        one.backend(0, AppProtocol::Http1),
        two.backend(1, AppProtocol::Http1),
    ];
    let bed = Bed::new(vec![entry("a.test", both)]);
    let cookie = |id| format!("Cookie: JSESSIONID=x; __VCAP_ID__={id}\r\n");
    for _ in 0..3 {
        let answer = bed.talk(&get("a.test", &cookie(two.instance))).await;
        let expected = format!(
            "set-cookie: __VCAP_ID__={}; Path=/; Secure; HttpOnly",
            two.instance
        );
        assert!(answer.contains(&expected), "{answer}");
    }
    assert_eq!((one.count(), two.count()), (0, 1));
    bed.route(vec![one.at("a.test")]);
    let answer = bed.talk(&get("a.test", &cookie(two.instance))).await;
    assert!(
        answer.contains(&format!("__VCAP_ID__={}", one.instance)),
        "{answer}"
    );
}

#[tokio::test]
async fn a_port_in_use_says_who_holds_it() {
    let bed = Bed::new(vec![]);
    let mut config = Config::new(tokio::runtime::Handle::current(), Arc::new(|_| false));
    config.http = vec![Listen {
        addr: bed.http,
        setting: "`gateway.http`".into(),
    }];
    let (log, _lines) = crate::gateway::access_log(1);
    let api: crate::gateway::ApiService = Arc::new(|_| unreachable!());
    let error = Gateway::start(config, Arc::clone(&bed.table), &bed.certs, api, log).unwrap_err();
    assert!(matches!(error, GatewayError::PortInUse { .. }));
    let text = error.to_string();
    assert!(
        text.contains(&format!("port {} is in use", bed.http.port())),
        "{text}"
    );
    assert!(
        text.contains(&std::process::id().to_string()) && text.contains("gateway.http"),
        "{text}"
    );
}

#[tokio::test]
async fn a_request_to_the_platform_ends_with_its_client_or_its_failure() {
    let (began, mut begun) = tokio::sync::mpsc::channel::<tokio::sync::oneshot::Receiver<()>>(1);
    let api: crate::gateway::ApiService = Arc::new(move |request| {
        let began = began.clone();
        Box::pin(async move {
            assert_ne!(request.uri().path(), "/panic");
            let (held, dropped) = tokio::sync::oneshot::channel::<()>();
            began.send(dropped).await.unwrap();
            let _held = held;
            std::future::pending().await
        })
    });
    let bed = Bed::serving(vec![], |_| {}, api);
    let ask =
        |path: &str| format!("GET {path} HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n");
    let answer = bed.talk(&ask("/panic")).await;
    assert!(
        answer.starts_with("HTTP/1.1 500 Internal Server Error\r\n"),
        "{answer}"
    );

    let mut client = tokio::net::TcpStream::connect(bed.http).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut client, ask("/").as_bytes())
        .await
        .unwrap();
    let dropped = within(begun.recv()).await.unwrap();
    drop(client);
    assert!(within(dropped).await.is_err());
}

#[tokio::test]
async fn connections_past_the_limit_are_turned_away() {
    let bed = Bed::with(vec![], |config| config.limits.connections = 1);
    let mut held = tokio::net::TcpStream::connect(bed.http).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut held, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    super::bed::read_until(&mut held, "exist.").await;
    assert_eq!(bed.talk(&get("none.test", "")).await, "");
    assert_eq!(bed.gateway.counts().refused, 1);
    drop(held);
    within(async {
        while !bed
            .talk(&get("none.test", ""))
            .await
            .starts_with("HTTP/1.1 404 ")
        {}
    })
    .await;
}
