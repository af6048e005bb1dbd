//! Static sites.

use std::{fs, os::unix::fs::symlink, path::Path, sync::Arc};

use tempfile::TempDir;

use super::bed::{Bed, entry};
use crate::{
    model::{AppId, InstanceId, SpaceId},
    routing::{Backend, Entry, Target},
};

fn site(root: &Path) -> Entry {
    let backend = Backend {
        app: AppId::random(),
        space: SpaceId::random(),
        process: (
            crate::model::ProcessId::random(),
            crate::model::ProcessType::web(),
        ),
        instance: InstanceId::random(),
        index: 0,
        weight: None,
        load: crate::routing::Load::default(),
        target: Target::Static {
            root: root.to_owned(),
        },
    };
    entry("site.test", vec![Arc::new(backend)])
}

fn files() -> TempDir {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("root");
    for folder in ["docs", ".git", ".well-known", "empty"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for (name, text) in [
        ("index.html", "<h1>home</h1>"),
        ("404.html", "<h1>lost</h1>"),
        ("docs/index.html", "docs"),
        ("app.js", "let plain = 1;"),
        ("app.js.br", "brotli"),
        ("app.js.gz", "gzip"),
        (".git/config", "secret"),
        (".well-known/security.txt", "contact"),
        ("Staticfile", "root: public"),
    ] {
        fs::write(root.join(name), text).unwrap();
    }
    fs::write(root.join("large.bin"), vec![b'x'; 300_000]).unwrap();
    fs::write(dir.path().join("outside"), "secret").unwrap();
    symlink("../outside", root.join("leak")).unwrap();
    symlink("/etc/passwd", root.join("passwd")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("docs/index.html", root.join("inside.html")).unwrap();
    dir
}

async fn ask(bed: &Bed, method: &str, path: &str, more: &str) -> String {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n");
    bed.talk(&format!("{head}{more}\r\n")).await
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let line = answer
        .lines()
        .find(|line| line.starts_with(&format!("{name}: ")));
    line.map_or("", |line| &line[name.len() + 2..])
}

#[tokio::test]
async fn files_are_served_with_their_types_and_folders_with_their_index() {
    let dir = files();
    let mut bed = Bed::new(vec![site(&dir.path().join("root"))]);
    let home = ask(&bed, "GET", "/", "").await;
    assert!(
        home.starts_with("HTTP/1.1 200 OK\r\n") && home.ends_with("<h1>home</h1>"),
        "{home}"
    );
    assert_eq!(header(&home, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(&home, "content-length"), "13");
    assert!(!header(&home, "x-vcap-request-id").is_empty());
    assert!(bed.line().await.contains("\"GET / HTTP/1.1\" 200 0 13 "));

    let folder = ask(&bed, "GET", "/docs?a=b", "").await;
    assert!(folder.starts_with("HTTP/1.1 301 "), "{folder}");
    assert_eq!(header(&folder, "location"), "/docs/?a=b");
    assert_eq!(
        header(&ask(&bed, "GET", "//docs", "").await, "location"),
        "/docs/"
    );
    assert!(
        ask(&bed, "GET", "/docs/", "")
            .await
            .ends_with("\r\n\r\ndocs")
    );
    assert!(
        ask(&bed, "GET", "/inside.html", "")
            .await
            .ends_with("\r\n\r\ndocs")
    );
    assert!(
        ask(&bed, "GET", "/.well-known/security.txt", "")
            .await
            .ends_with("contact")
    );
    let large = ask(&bed, "GET", "/large.bin", "").await;
    assert_eq!(large.split("\r\n\r\n").nth(1).unwrap().len(), 300_000);

    let head = ask(&bed, "HEAD", "/", "").await;
    assert!(
        head.ends_with("\r\n\r\n") && header(&head, "content-length") == "13",
        "{head}"
    );
    let post = ask(&bed, "POST", "/", "Content-Length: 0\r\n").await;
    assert!(
        post.starts_with("HTTP/1.1 405 ") && header(&post, "allow") == "GET, HEAD",
        "{post}"
    );
}

#[tokio::test]
async fn nothing_else_is_served() {
    let dir = files();
    let bed = Bed::new(vec![site(&dir.path().join("root"))]);
    for path in [
        "/nothing",
        "/empty",
        "/empty/",
        "/leak",
        "/passwd",
        "/up/outside",
        "/up/root/index.html",
        "/../outside",
        "/%2e%2e/outside",
        "/..%2foutside",
        "/docs/../../outside",
        "/.git/config",
        "/Staticfile",
        "/index.html/",
        "/a%00",
    ] {
        let answer = ask(&bed, "GET", path, "").await;
        assert!(
            answer.starts_with("HTTP/1.1 404 Not Found\r\n"),
            "{path}: {answer}"
        );
        assert!(answer.ends_with("<h1>lost</h1>"), "{path}: {answer}");
        assert!(
            !answer.contains("secret") && !answer.contains("root:"),
            "{path}: {answer}"
        );
    }
    fs::remove_file(dir.path().join("root/404.html")).unwrap();
    assert!(
        ask(&bed, "GET", "/nothing", "")
            .await
            .ends_with("\r\n\r\n404 Not Found\n")
    );
}

#[tokio::test]
async fn ranges_and_validators_save_what_the_client_has() {
    let dir = files();
    let bed = Bed::new(vec![site(&dir.path().join("root"))]);
    let part = ask(&bed, "GET", "/large.bin", "Range: bytes=299995-\r\n").await;
    assert!(
        part.starts_with("HTTP/1.1 206 Partial Content\r\n"),
        "{part}"
    );
    assert_eq!(header(&part, "content-range"), "bytes 299995-299999/300000");
    assert!(part.ends_with("\r\n\r\nxxxxx"), "{part}");
    let small = ask(&bed, "GET", "/index.html", "Range: bytes=4-7\r\n").await;
    assert!(small.ends_with("\r\n\r\nhome"), "{small}");
    let none = ask(&bed, "GET", "/index.html", "Range: bytes=99-\r\n").await;
    assert!(none.starts_with("HTTP/1.1 416 "), "{none}");
    assert_eq!(header(&none, "content-range"), "bytes */13");

    let etag = header(&small, "etag").to_owned();
    let again = ask(
        &bed,
        "GET",
        "/index.html",
        &format!("If-None-Match: {etag}\r\n"),
    )
    .await;
    assert!(
        again.starts_with("HTTP/1.1 304 ") && again.ends_with("\r\n\r\n"),
        "{again}"
    );
    let since = header(&small, "last-modified").to_owned();
    let again = ask(
        &bed,
        "GET",
        "/index.html",
        &format!("If-Modified-Since: {since}\r\n"),
    )
    .await;
    assert!(again.starts_with("HTTP/1.1 304 "), "{again}");
    let stale = "Range: bytes=4-7\r\nIf-Range: \"old\"\r\n";
    assert!(
        ask(&bed, "GET", "/index.html", stale)
            .await
            .starts_with("HTTP/1.1 200 ")
    );
}

#[tokio::test]
async fn precompressed_neighbours_are_preferred() {
    let dir = files();
    let bed = Bed::new(vec![site(&dir.path().join("root"))]);
    let get = async |accept: &str| {
        ask(
            &bed,
            "GET",
            "/app.js",
            &format!("Accept-Encoding: {accept}\r\n"),
        )
        .await
    };
    let brotli = get("gzip, deflate, br, zstd").await;
    assert_eq!(header(&brotli, "content-encoding"), "br");
    assert_eq!(
        header(&brotli, "content-type"),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(header(&brotli, "vary"), "Accept-Encoding");
    assert!(brotli.ends_with("\r\n\r\nbrotli"), "{brotli}");
    let gzip = get("gzip").await;
    assert_eq!(
        (header(&gzip, "content-encoding"), gzip.ends_with("gzip")),
        ("gzip", true)
    );
    let plain = get("identity").await;
    assert!(plain.ends_with("let plain = 1;") && header(&plain, "content-encoding").is_empty());
    assert_ne!(header(&plain, "etag"), header(&brotli, "etag"));
}
