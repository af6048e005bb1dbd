//! TCP routes: ports whose connections go to instances as they are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::bed::{Bed, Origin, entry, within};
use crate::{
    gateway::Tcp,
    model::AppProtocol,
    routing::{Balance, Entry},
};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A gateway that opens ports, and what tells it of another table.
fn bed(entries: Vec<Entry>) -> (Bed, watch::Sender<()>) {
    let (tabled, changed) = watch::channel(());
    let bed = Bed::with(entries, |config| {
        config.tcp = Some(Tcp {
            addresses: vec![HERE],
            setting: "a test".into(),
            changed,
        });
    });
    tabled.send_replace(());
    (bed, tabled)
}

/// A port that nobody listens on at the moment.
async fn free() -> u16 {
    let listener = TcpListener::bind((HERE, 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

fn at(port: u16, origins: &[&Origin]) -> Entry {
    let mut entry = entry(
        "tcp.test",
        (0..)
            .zip(origins)
            .map(|(index, origin)| origin.backend(index, AppProtocol::Tcp))
            .collect(),
    );
    entry.port = Some(port);
    entry
}

/// Sends back everything when the client has ended its half.
async fn parrot() -> Origin {
    Origin::raw(|mut stream, _| async move {
        let mut all = String::new();
        if stream.read_to_string(&mut all).await.is_ok() {
            let _ = stream.write_all(format!("{all}, {all}").as_bytes()).await;
        }
    })
    .await
}

async fn connect(port: u16) -> TcpStream {
    within(async {
        loop {
            match TcpStream::connect(SocketAddr::new(HERE, port)).await {
                Ok(stream) => return stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

async fn closed(port: u16) {
    within(async {
        while TcpStream::connect(SocketAddr::new(HERE, port))
            .await
            .is_ok()
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Waits until so many connections have come to an instance.
async fn reached(origin: &Origin, count: usize) {
    within(async {
        while origin.count() < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn say(mut stream: TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    // A reset is an end too.
    let _ = within(stream.read_to_string(&mut answer)).await;
    answer
}

#[tokio::test]
async fn a_port_is_open_while_it_is_in_the_table() {
    let origin = parrot().await;
    let (port, other) = (free().await, free().await);
    let (bed, tabled) = bed(vec![at(port, &[&origin])]);
    assert_eq!(say(connect(port).await, "half").await, "half, half");
    let lasting = connect(port).await;
    reached(&origin, 2).await;
    bed.route(vec![at(other, &[&origin])]);
    tabled.send_replace(());
    assert_eq!(say(connect(other).await, "new").await, "new, new");
    closed(port).await;
    // What was open has a moment to come to its end.
    assert_eq!(say(lasting, "old").await, "old, old");
    // A TCP route has no requests.
    let answer = bed
        .talk("GET / HTTP/1.1\r\nHost: tcp.test\r\nConnection: close\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    bed.route(vec![at(other, &[])]);
    tabled.send_replace(());
    assert_eq!(say(connect(other).await, "nobody").await, "");
}

#[tokio::test]
async fn connections_go_to_instances_that_can_be_reached_and_have_few() {
    let (dead, first, second) = (Origin::dead().await, parrot().await, parrot().await);
    let port = free().await;
    let mut route = at(port, &[&dead, &first, &second]);
    route.balance = Balance::LeastConnections;
    let (bed, _tabled) = bed(vec![route]);
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(port).await;
        stream.write_all(b"x").await.unwrap();
        let before = open.len();
        open.push(stream);
        within(async {
            while first.count() + second.count() <= before {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    assert_eq!((first.count(), second.count()), (2, 2));
    assert_eq!(bed.gateway.counts().connections, 4);
    for stream in open {
        assert_eq!(say(stream, "y").await, "xy, xy");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_of_and_opened_when_it_is_free() {
    let origin = parrot().await;
    let taken = TcpListener::bind((HERE, 0)).await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let (mut bed, tabled) = bed(vec![at(port, &[&origin])]);
    let record = within(bed.lines.recv()).await.unwrap();
    assert_eq!(record.app(), origin.app);
    let line = record.line();
    assert!(line.contains(&format!("TCP port {port}")), "{line}");
    drop(taken);
    tabled.send_replace(());
    assert_eq!(say(connect(port).await, "free").await, "free, free");
}

#[tokio::test]
async fn a_drain_waits_for_connections_and_takes_no_more() {
    let origin = parrot().await;
    let port = free().await;
    let (bed, _tabled) = bed(vec![at(port, &[&origin])]);
    let mut lasting = connect(port).await;
    lasting.write_all(b"be").await.unwrap();
    reached(&origin, 1).await;
    let drain = tokio::spawn(bed.gateway.drain(super::bed::DEADLINE));
    closed(port).await;
    assert!(!drain.is_finished());
    assert_eq!(say(lasting, "fore").await, "before, before");
    within(drain).await.unwrap();
}
