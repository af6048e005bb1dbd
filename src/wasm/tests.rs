use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use super::{
    component::{self, WasmError},
    engine,
    epoch::Clock,
    service::Service,
    settings::Settings,
};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn settings() -> Settings {
    Settings {
        port: 0,
        timeout: Duration::from_secs(20),
        memory: 32 * 1024 * 1024,
        at_once: 4,
    }
}

/// Serves a component with `settings` while `then` runs, from a folder with one file.
async fn serving<F: Future<Output = ()>>(
    component: &str,
    settings: Settings,
    then: impl FnOnce(SocketAddr) -> F,
) {
    let app = tempfile::tempdir().unwrap();
    std::fs::write(app.path().join("greeting.txt"), "안녕\n").unwrap();
    let engine = engine::server(settings.at_once).unwrap();
    let ready = component::load(&engine, &here(component), |_| ()).unwrap();
    let env = vec![("GREETING".to_owned(), "hi".to_owned())];
    let clock = Clock::start(&engine).unwrap();
    let service = Service::new(ready, app.path().to_owned(), env, &settings, clock);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serve = super::host::serve(listener, service, async {
        let _ = stopped.await;
    });
    let test = async {
        then(address).await;
        drop(stop);
    };
    tokio::join!(serve, test);
}

/// The whole answer to a request, head and all.
async fn ask(address: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    let request = format!("{request}content-length: {}\r\n\r\n", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    // A body that ends too early is an answer too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn check(address: SocketAddr, path: &str, expected: &[&str]) {
    let answer = ask(address, &format!("GET {path}"), b"").await;
    for part in expected {
        assert!(answer.contains(part), "{path}: no {part:?} in {answer}");
    }
}

#[tokio::test]
async fn the_example_answers() {
    serving(
        "examples/wasm-c/hello.wasm",
        settings(),
        |address| async move {
            check(address, "/", &["HTTP/1.1 200", "Hello from WebAssembly\n"]).await;
            check(address, "/", &["HTTP/1.1 200", "Hello from WebAssembly\n"]).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_guest_sees_its_variables_and_its_files() {
    serving(
        "tests/guests/guest.wasm",
        settings(),
        |address| async move {
            check(address, "/env", &["200 OK", "hi"]).await;
            check(address, "/read", &["200 OK", "안녕"]).await;
            check(address, "/write", &["200 OK", "refused"]).await;
            check(address, "/fetch", &["200 OK", "refused"]).await;
        },
    )
    .await;
}

#[tokio::test]
async fn bodies_pass_both_ways() {
    let body: String = (0..200_000).map(|number| format!("{number} ")).collect();
    serving(
        "tests/guests/guest.wasm",
        settings(),
        |address| async move {
            let answer = ask(address, "POST /echo", body.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer:.100}");
            assert!(
                answer.contains("\r\ntransfer-encoding: chunked"),
                "{answer:.200}"
            );
            let last = answer.rsplit("199998 ").next().unwrap();
            assert!(last.starts_with("199999 "), "{last:.100}");
        },
    )
    .await;
}

#[tokio::test]
async fn a_guest_that_fails_is_told_and_harms_no_other() {
    serving(
        "tests/guests/guest.wasm",
        settings(),
        |address| async move {
            check(
                address,
                "/trap",
                &[
                    "HTTP/1.1 500",
                    "the component failed: wasm trap: wasm `unreachable`",
                ],
            )
            .await;
            check(address, "/deep", &["HTTP/1.1 500", "call stack exhausted"]).await;
            check(
                address,
                "/silent",
                &["HTTP/1.1 500", "ended without an answer"],
            )
            .await;
            check(address, "/late", &["HTTP/1.1 200", "begun"]).await;
            // 32 MiB are 512 pages; it starts with 18 and grows by 16 at a time.
            check(address, "/grow", &["HTTP/1.1 200", "\r\n480\r\n"]).await;
            check(address, "/", &["HTTP/1.1 200", "hello"]).await;
        },
    )
    .await;
}

#[tokio::test]
async fn an_endless_guest_is_stopped_and_others_go_on() {
    let settings = Settings {
        timeout: Duration::from_secs(2),
        ..settings()
    };
    serving("tests/guests/guest.wasm", settings, |address| async move {
        let endless = check(address, "/loop", &["HTTP/1.1 504", "was stopped after 2 s"]);
        let other = check(address, "/", &["HTTP/1.1 200", "hello"]);
        tokio::join!(endless, other);
    })
    .await;
}

#[test]
fn machine_code_is_kept_and_made_again_where_it_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hello.wasm");
    std::fs::copy(here("examples/wasm-c/hello.wasm"), &file).unwrap();
    let engine = engine::server(4).unwrap();
    let notes = || {
        let notes = std::cell::RefCell::new(Vec::new());
        component::load(&engine, &file, |note| {
            notes.borrow_mut().push(note.to_owned())
        })
        .unwrap();
        notes.into_inner()
    };
    assert_eq!(notes(), ["the component is not compiled yet: compiling"]);
    let kept = component::compiled_path(&file);
    std::fs::write(&kept, component::compile(&file).unwrap()).unwrap();
    assert!(notes().is_empty());

    // Another engine's: its settings are told near the start of the file.
    let mut code = std::fs::read(&kept).unwrap();
    let at = code
        .windows(6)
        .position(|part| part == b"48.0.8" || part == b"48\0\0\0\0");
    let at = at.unwrap_or_else(|| code.windows(2).position(|part| part == b"48").unwrap());
    code[at] = b'1';
    std::fs::write(&kept, code).unwrap();
    assert_eq!(
        notes(),
        ["the component was compiled by another engine: compiling again"]
    );
}

#[test]
fn what_is_no_component_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let check = |content: &[u8], expected: &str| {
        let file = folder.path().join("x.wasm");
        std::fs::write(&file, content).unwrap();
        let error: WasmError = component::compile(&file).unwrap_err();
        let text = component::chain(&error);
        assert!(text.contains(expected), "{text}");
    };
    check(b"<html>", "is not WebAssembly");
    check(b"\0asm\x01\0\0\0", "is a core module, not a component");
    check(
        b"\0asm\x0d\0\x01\0",
        "no exported instance named `wasi:http/incoming-handler",
    );
    check(b"\0asm\x0d\0\x01\0garbage", "cannot be compiled");
}
