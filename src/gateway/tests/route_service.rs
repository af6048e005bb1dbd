//! Requests that pass a route service on their way to an app.

use std::net::SocketAddr;

use super::bed::{Bed, Origin, entry};
use crate::{
    gateway::{Limits, RouteServices, Seal},
    model::AppProtocol,
    net::Verify,
    routing::{Entry, RouteService},
};

fn bed(entries: Vec<Entry>) -> Bed {
    trusting(&Verify::System, entries)
}

fn trusting(verify: &Verify, entries: Vec<Entry>) -> Bed {
    let seal = Seal::of(&[7; 32]).unwrap();
    let services = RouteServices::try_new(seal, &Limits::default(), verify).unwrap();
    Bed::with(entries, |config| config.route_services = Some(services))
}

/// The route, bound to what is at `url`.
fn through(mut entry: Entry, url: &str, vouched: bool) -> Entry {
    entry.service = Some(RouteService {
        url: url.parse().ok(),
        vouched,
    });
    entry
}

fn at(addr: SocketAddr) -> String {
    format!("http://{addr}/filter?x=1")
}

/// A header of the request that an echo tells of.
fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = answer.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn get(host: &str, path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n")
}

/// The headers with which a service sends a request on that it got as `answer` tells.
fn signed(answer: &str) -> String {
    ["x-cf-proxy-signature", "x-cf-proxy-metadata"]
        .map(|name| format!("{name}: {}\r\n", header(answer, name).unwrap()))
        .concat()
}

#[tokio::test]
async fn a_request_goes_to_the_service_and_with_its_signature_to_the_app() {
    let (app, service) = (Origin::echo().await, Origin::echo().await);
    let route = through(app.at("a.test"), &at(service.addr), true);
    let other = through(app.at("b.test"), &at(service.addr), true);
    let mut bed = bed(vec![route, other]);
    let body = "POST /shop?a=b HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\
                X-Forwarded-For: 1.1.1.1\r\nX-Cf-App-Instance: x:1\r\nConnection: close\r\n\r\nhello";
    let refused = bed.talk(body).await;
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    let first = bed
        .talk(&body.replace("X-Cf-App-Instance: x:1\r\n", ""))
        .await;
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{first}");
    assert!(first.contains("POST /filter?x=1 HTTP/1.1\n"), "{first}");
    assert!(first.ends_with("hello"), "{first}");
    assert_eq!(header(&first, "host"), Some(&*service.addr.to_string()));
    let url = header(&first, "x-cf-forwarded-url");
    assert_eq!(url, Some("http://a.test/shop?a=b"));
    assert_eq!(
        header(&first, "x-forwarded-for"),
        Some("1.1.1.1, 127.0.0.1")
    );
    assert_eq!((app.count(), service.count()), (0, 1));

    let more = format!(
        "{}X-CF-Forwarded-Url: http://a.test/shop?a=b\r\nX-Forwarded-Proto: https\r\n",
        signed(&first)
    );
    let second = bed.talk(&get("a.test", "/shop?a=b", &more)).await;
    assert!(second.contains("GET /shop?a=b HTTP/1.1\n"), "{second}");
    assert_eq!(header(&second, "x-forwarded-proto"), Some("https"));
    assert!(!second.contains("x-cf-proxy"), "{second}");
    assert!(!second.contains("x-cf-forwarded-url"), "{second}");
    assert_eq!((app.count(), service.count()), (1, 1));
    // What went to the service is none of the app's requests.
    assert!(bed.line().await.contains("\"GET /shop?a=b "));

    let elsewhere = bed.talk(&get("b.test", "/", &signed(&first))).await;
    let bent = signed(&first).replace("signature: ", "signature: AAAA");
    let bent = bed.talk(&get("a.test", "/", &bent)).await;
    for refused in [elsewhere, bent] {
        assert!(refused.starts_with("HTTP/1.1 502"), "{refused}");
        assert!(
            refused.contains("invalid_route_service_signature"),
            "{refused}"
        );
    }
    assert_eq!((app.count(), service.count()), (1, 1));
}

#[tokio::test]
async fn a_service_is_asked_over_tls_where_its_certificate_is_trusted() {
    let (app, gate) = (Origin::echo().await, Origin::echo().await);
    // Another gateway stands for the server.
    let far = Bed::new(vec![gate.at("gate.localhost")]);
    let url = format!("https://gate.localhost:{}/x", far.https.port());
    let route = || through(app.at("a.test"), &url, true);
    let near = trusting(
        &Verify::With(far.certs.ca_pem_path().to_owned()),
        vec![route()],
    );
    let answer = near.talk(&get("a.test", "/", "")).await;
    assert!(answer.contains("GET /x HTTP/1.1\n"), "{answer}");
    assert_eq!(header(&answer, "x-forwarded-proto"), Some("https"));
    let stranger = bed(vec![route()]);
    let answer = stranger.talk(&get("a.test", "/", "")).await;
    assert!(answer.starts_with("HTTP/1.1 526"), "{answer}");
    assert_eq!((app.count(), gate.count()), (0, 1));
}

#[tokio::test]
async fn what_cannot_pass_is_refused_as_gorouter_does() {
    let app = Origin::echo().await;
    let (dead, service) = (Origin::dead().await, Origin::echo().await);
    let bed = bed(vec![
        through(app.at("up.test"), &at(service.addr), true),
        through(app.at("dead.test"), &at(dead.addr), true),
        through(app.at("private.test"), &at(service.addr), false),
        through(app.at("named.test"), "https://db.localhost/", false),
        through(app.at("none.test"), "no url at all", true),
        through(entry("idle.test", Vec::new()), &at(service.addr), true),
    ]);
    let check = async |host: &str, more: &str, status: &str, code: &str| {
        let answer = bed.talk(&get(host, "/", more)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{host}: {answer}"
        );
        let found = answer.to_lowercase();
        assert!(
            found.contains(&format!("x-cf-routererror: {code}")),
            "{host}: {answer}"
        );
    };
    let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    check("up.test", upgrade, "503", "route_service_unsupported").await;
    check(
        "dead.test",
        "",
        "502",
        "endpoint_failure (route service unreachable)",
    )
    .await;
    let forbidden = "endpoint_failure (route service address not allowed)";
    check("private.test", "", "502", forbidden).await;
    check("named.test", "", "502", forbidden).await;
    check("none.test", "", "502", "endpoint_failure").await;
    check("idle.test", "", "503", "no_endpoints").await;
    assert_eq!((app.count(), service.count()), (0, 0));

    let untrusted = format!("https://{}/", bed.https);
    bed.route(vec![through(app.at("tls.test"), &untrusted, true)]);
    check(
        "tls.test",
        "",
        "526",
        "endpoint_failure (certificate not trusted)",
    )
    .await;

    let without = Bed::new(vec![through(app.at("a.test"), &at(service.addr), true)]);
    let answer = without.talk(&get("a.test", "/", "")).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert!(
        answer.contains("Support for route services is disabled"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_service_that_is_an_app_here_is_reached_straight() {
    let (app, filter) = (Origin::echo().await, Origin::echo().await);
    let bound = |host| through(app.at(host), "https://filter.test/check", false);
    let mut bed = bed(vec![
        bound("a.test"),
        filter.at("filter.test"),
        through(app.at("chain.test"), "https://a.test/", false),
        through(app.at("asleep.test"), "https://idle.test/", false),
        entry("idle.test", vec![]),
    ]);
    let first = bed
        .talk(&get("a.test", "/x", "Cookie: JSESSIONID=1\r\n"))
        .await;
    assert!(first.contains("GET /check HTTP/1.1\n"), "{first}");
    assert_eq!(header(&first, "host"), Some("filter.test"));
    assert_eq!(
        header(&first, "x-cf-forwarded-url"),
        Some("http://a.test/x")
    );
    let instance = filter.backend(0, AppProtocol::Http1).app.to_string();
    assert_eq!(header(&first, "x-cf-applicationid"), Some(&*instance));
    assert!(bed.line().await.starts_with("filter.test - "));
    let second = bed.talk(&get("a.test", "/x", &signed(&first))).await;
    assert!(second.contains("GET /x HTTP/1.1\n"), "{second}");
    assert_eq!((app.count(), filter.count()), (1, 1));

    let chained = bed.talk(&get("chain.test", "/", "")).await;
    assert!(chained.starts_with("HTTP/1.1 502"), "{chained}");
    let asleep = bed.talk(&get("asleep.test", "/", "")).await;
    assert!(asleep.starts_with("HTTP/1.1 503"), "{asleep}");
}
