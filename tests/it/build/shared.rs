//! What builds share with what else runs: memory, and rules that change meanwhile.

use std::{io::Write as _, net::TcpListener, thread};

use pastina::{
    build::Room,
    model::{Grant, Megabytes, NetworkPolicy},
};
use tokio::sync::watch;

use super::{
    mistakes::{borrowed, script},
    place::{Place, zip},
};
use crate::support::until;

fn package(run: &str) -> Vec<u8> {
    let files = script(run);
    let files = borrowed(&files);
    zip(files
        .iter()
        .map(|(path, text)| (*path, text.as_bytes().to_vec())))
}

#[tokio::test]
async fn a_build_waits_until_there_is_room_for_its_memory() {
    let place = Place::with(|config| config.memory = Megabytes(600));
    let mut request = place.request(package("echo built"), &[]).await;
    request.room = Room::of(Megabytes(1000));
    let room = request.room.clone();
    room.plan_apps(|_| ((), 500));
    let (builder, building) = (place.builder.clone(), tokio::spawn);
    let build = building(async move { builder.stage(request).await.map(|_| ()) });
    let waits = "Waiting for 600M of memory: of the platform's 1000M, apps have 500M and other \
                 builds 0M";
    until("the build to wait", || {
        place.log().iter().any(|line| line == waits)
    })
    .await;
    assert!(!place.log().iter().any(|line| line == "built"));
    room.plan_apps(|_| ((), 400));
    build.await.unwrap().unwrap();
    assert!(place.log().iter().any(|line| line == "built"));
    // It has left what it took.
    room.plan_apps(|most| (assert_eq!(most, 1000), 0));
    place.left_nothing();
}

#[tokio::test]
async fn a_build_for_which_there_is_never_room_in_time_is_told_so() {
    let place = Place::with(|config| {
        config.memory = Megabytes(600);
        config.timeout = std::time::Duration::from_millis(300);
    });
    let mut request = place.request(package("echo built"), &[]).await;
    request.room = Room::of(Megabytes(1000));
    request.room.plan_apps(|_| ((), 500));
    let failure = place.builder.stage(request).await.unwrap_err();
    assert_eq!(failure.id, "InsufficientResources");
    let words = "there was no room for the 600M of memory";
    assert!(failure.detail.starts_with(words), "{}", failure.detail);
    place.left_nothing();
}

#[tokio::test]
async fn what_a_build_may_reach_changes_while_it_runs() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever goes away early fails nobody's test.
            let _ = stream.unwrap().write_all(b"reached");
        }
    });
    let ask = format!(
        "echo begun\n\
         until python3 -c 'import socket; c = socket.create_connection((\"host.pastina.internal\", {port}), 20); \
         print(c.recv(100).decode())' 2> /dev/null; do sleep 0.1; done\n\
         while python3 -c 'import socket; socket.create_connection((\"198.18.0.1\", {port}), 20)' 2> /dev/null; \
         do sleep 0.1; done; echo closed\n"
    );
    let place = Place::new();
    let mut request = place.request(package(&ask), &[]).await;
    let (policies, seen) = watch::channel(NetworkPolicy::default());
    request.network = seen;
    let builder = place.builder.clone();
    let build = tokio::spawn(async move { builder.stage(request).await.map(|_| ()) });
    let says = async |text: &str| {
        until(text, || place.log().iter().any(|line| line == text)).await;
    };
    says("begun").await;
    let open = NetworkPolicy {
        grants: vec![Grant {
            host: "host.pastina.internal".to_owned(),
            port,
        }],
        ..NetworkPolicy::default()
    };
    policies.send_replace(open);
    says("reached").await;
    policies.send_replace(NetworkPolicy::default());
    build.await.unwrap().unwrap();
    says("closed").await;
    place.left_nothing();
}
