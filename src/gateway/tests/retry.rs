//! What is tried again, and what is not.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::bed::{Bed, Origin, entry, read_until, within};
use crate::{gateway::Limits, model::AppProtocol, routing::Balance};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers the first request of its first connection, and closes at the second one. Counts
/// requests.
async fn fickle(requests: Arc<AtomicUsize>) -> Origin {
    Origin::raw(move |mut stream, number| {
        let requests = Arc::clone(&requests);
        async move {
            for turn in 0.. {
                if turn == 1 && number == 1 {
                    read_until(&mut stream, "\r\n\r\n").await;
                    requests.fetch_add(1, SeqCst);
                    return;
                }
                let mut start = [0; 1];
                if tokio::io::AsyncReadExt::read(&mut stream, &mut start)
                    .await
                    .unwrap_or(0)
                    == 0
                {
                    return;
                }
                read_until(&mut stream, "\r\n\r\n").await;
                requests.fetch_add(1, SeqCst);
                stream.write_all(OK).await.unwrap();
            }
        }
    })
    .await
}

async fn ask_twice(method: &str) -> (String, usize, u64) {
    let requests = Arc::new(AtomicUsize::new(0));
    let origin = fickle(Arc::clone(&requests)).await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    let mut client = TcpStream::connect(bed.http).await.unwrap();
    let length = if method == "POST" {
        "Content-Length: 0\r\n"
    } else {
        ""
    };
    let request = format!("{method} / HTTP/1.1\r\nHost: a.test\r\n{length}\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut client, "ok").await;
    client.write_all(request.as_bytes()).await.unwrap();
    let answer = read_until(&mut client, "\r\n\r\n").await;
    (answer, requests.load(SeqCst), bed.gateway.counts().retries)
}

#[tokio::test]
async fn a_get_on_a_connection_that_was_closed_is_sent_again() {
    let (answer, requests, retries) = ask_twice("GET").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!((requests, retries), (3, 1));
}

#[tokio::test]
async fn a_post_that_may_have_been_done_is_not_sent_again() {
    let (answer, requests, retries) = ask_twice("POST").await;
    assert!(
        answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
        "{answer}"
    );
    assert_eq!((requests, retries), (2, 0));
}

#[tokio::test]
async fn an_instance_that_cannot_be_reached_is_passed_over_whatever_the_method() {
    let (dead, alive) = (Origin::dead().await, Origin::echo().await);
    let both = vec![
        dead.backend(0, AppProtocol::Http1),
        alive.backend(1, AppProtocol::Http1),
    ];
    let mut bed = Bed::new(vec![entry("a.test", both)]);
    for _ in 0..4 {
        let post = "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\
                    Content-Length: 5\r\n\r\nhello";
        let answer = bed.talk(post).await;
        assert!(answer.ends_with("\n\nhello"), "{answer}");
        let line = bed.line().await;
        assert!(
            line.contains(&format!("instance_id:\"{}\"", alive.instance)),
            "{line}"
        );
    }
    assert!(bed.gateway.counts().retries >= 1);
}

#[tokio::test]
async fn connections_that_the_app_has_closed_are_not_used() {
    let origin = Origin::raw(|mut stream, _| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(OK).await.unwrap();
    })
    .await;
    let bed = Bed::new(vec![origin.at("a.test")]);
    // The app may close between two requests or in the middle of the next one.
    for _ in 0..10 {
        let get = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
        let answer = bed.talk(get).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    assert_eq!(origin.count(), 10);
}

#[tokio::test]
async fn an_app_that_does_not_answer_or_answers_nonsense_is_told_so() {
    let silent = Origin::raw(|mut stream, _| async move {
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut Vec::new()).await;
    })
    .await;
    let wild = Origin::raw(|mut stream, _| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"what?\r\n\r\n").await.unwrap();
    })
    .await;
    let rude = Origin::raw(|mut stream, _| async move {
        read_until(&mut stream, "\r\n\r\n").await;
    })
    .await;
    let entries = vec![
        silent.at("silent.test"),
        wild.at("wild.test"),
        rude.at("rude.test"),
    ];
    let bed = Bed::with(entries, |config| {
        config.limits = Limits {
            response: std::time::Duration::from_millis(50),
            ..Limits::default()
        };
    });
    let get = |host| format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let answer = bed.talk(&get("silent.test")).await;
    assert!(
        answer.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"),
        "{answer}"
    );
    let answer = bed.talk(&get("wild.test")).await;
    assert!(
        answer.contains("x-cf-routererror: endpoint_failure (invalid response)"),
        "{answer}"
    );
    let answer = bed.talk(&get("rude.test")).await;
    assert!(
        answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
        "{answer}"
    );
    assert_eq!(rude.count(), 1);
}

/// An app that closes connections now and then, as servers do after some requests or time.
async fn restless() -> Origin {
    Origin::raw(|mut stream, number| async move {
        for _ in 0..=number % 5 {
            let mut start = [0; 1];
            if tokio::io::AsyncReadExt::read(&mut stream, &mut start)
                .await
                .unwrap_or(0)
                == 0
            {
                return;
            }
            read_until(&mut stream, "\r\n\r\n").await;
            stream.write_all(OK).await.unwrap();
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_do_not_notice_apps_that_close_connections() {
    let (one, two, dead) = (restless().await, restless().await, Origin::dead().await);
    let all = vec![
        one.backend(0, AppProtocol::Http1),
        two.backend(1, AppProtocol::Http1),
        dead.backend(2, AppProtocol::Http1),
    ];
    let bed = Bed::with(vec![entry("a.test", all)], |config| config.threads = 2);
    let addr = bed.http;
    let clients = (0..20).map(|_| {
        tokio::spawn(async move {
            let mut client = TcpStream::connect(addr).await.unwrap();
            for _ in 0..50 {
                client
                    .write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
                    .await
                    .unwrap();
                let answer = read_until(&mut client, "\r\n\r\nok").await;
                assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        within(client).await.unwrap();
    }
    // The last ones end when the gateway has seen that their answers are sent.
    let ended = async {
        while bed.gateway.counts().requests < 1000 {
            tokio::task::yield_now().await;
        }
    };
    within(ended).await;
    assert_eq!(bed.gateway.counts().classes, [0, 1000, 0, 0, 0]);
}

#[tokio::test]
async fn requests_go_to_the_least_busy_where_the_route_says_so() {
    // Takes its time with each request; the other answers at once.
    let (slow, quick) = (silent().await, Origin::echo().await);
    let backends = vec![
        slow.backend(0, AppProtocol::Http1),
        quick.backend(1, AppProtocol::Http1),
    ];
    let mut route = entry("a.test", backends);
    route.balance = Balance::LeastConnections;
    let bed = Bed::new(vec![route]);
    let ask = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    // One of the first two goes to the slow one, and stays there.
    let mut waiting = Vec::new();
    for sent in 1..=2 {
        let mut client = TcpStream::connect(bed.http).await.unwrap();
        client.write_all(ask.as_bytes()).await.unwrap();
        within(async {
            while slow.count() + quick.count() < sent {
                tokio::task::yield_now().await;
            }
        })
        .await;
        if slow.count() > 0 {
            waiting.push(client);
            break;
        }
        read_until(&mut client, "\n\n").await;
    }
    assert_eq!((waiting.len(), slow.count()), (1, 1));
    for _ in 0..10 {
        let answer = bed.talk(ask).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    assert_eq!(slow.count(), 1);
}

/// Reads requests and never answers.
async fn silent() -> Origin {
    Origin::raw(|mut stream, _| async move {
        read_until(&mut stream, "\r\n\r\n").await;
        std::future::pending::<()>().await;
    })
    .await
}
