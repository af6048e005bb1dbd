//! Static sites.

use std::{fs, os::unix::fs::symlink, path::Path, sync::Arc};

use tempfile::TempDir;

use super::bed::{Bed, entry};
use crate::{
    model::{AppId, HeaderRule, InstanceId, Login, Pattern, Redirect, Site, SpaceId, StatusPage},
    routing::{Backend, Entry, Target},
};

fn site(root: &Path) -> Entry {
    site_with(root, Site::default())
}

fn site_with(root: &Path, rules: Site) -> Entry {
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
            site: Arc::new(rules),
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

/// A site with these rules, and who serves it.
fn ruled(rules: Site) -> (TempDir, Bed) {
    let dir = files();
    let bed = Bed::new(vec![site_with(&dir.path().join("root"), rules)]);
    (dir, bed)
}

fn page(status: u16, page: &str) -> StatusPage {
    StatusPage {
        status,
        page: page.to_owned(),
        answer: None,
    }
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

#[tokio::test]
async fn what_is_not_there_leads_to_the_start_page_of_an_app_of_one_page() {
    let (_dir, bed) = ruled(Site {
        fallback: true,
        ..Site::default()
    });
    for path in ["/", "/users/7", "/empty", "/docs/nothing.js"] {
        let answer = ask(&bed, "GET", path, "").await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n"),
            "{path}: {answer}"
        );
        assert!(answer.ends_with("<h1>home</h1>"), "{path}: {answer}");
    }
    assert!(ask(&bed, "GET", "/docs/", "").await.ends_with("docs"));
}

#[tokio::test]
async fn folders_show_what_is_in_them_where_that_is_wished() {
    let (dir, bed) = ruled(Site {
        listing: true,
        whole_app: true,
        ..Site::default()
    });
    let empty = dir.path().join("root/empty");
    fs::create_dir(empty.join("자료")).unwrap();
    fs::write(empty.join("a <b>.txt"), "text").unwrap();
    fs::write(empty.join(".hidden"), "secret").unwrap();
    symlink("../../outside", empty.join("leak")).unwrap();
    symlink("missing", empty.join("broken")).unwrap();
    let moved = ask(&bed, "GET", "/empty", "").await;
    assert_eq!(header(&moved, "location"), "/empty/");
    let list = ask(&bed, "GET", "/empty/", "").await;
    assert!(list.starts_with("HTTP/1.1 200 OK\r\n"), "{list}");
    assert_eq!(header(&list, "content-type"), "text/html; charset=utf-8");
    let names = ["a &lt;b&gt;.txt", "자료/", "href=\"../\""];
    assert!(names.iter().all(|name| list.contains(name)), "{list}");
    let hidden = ["hidden", "leak", "broken"];
    assert!(!hidden.iter().any(|name| list.contains(name)), "{list}");
    assert!(ask(&bed, "HEAD", "/empty/", "").await.ends_with("\r\n\r\n"));
    // An index is still the first.
    assert!(ask(&bed, "GET", "/docs/", "").await.ends_with("docs"));
    fs::remove_file(dir.path().join("root/index.html")).unwrap();
    fs::write(dir.path().join("root/manifest.yml"), "secret").unwrap();
    let list = ask(&bed, "GET", "/", "").await;
    assert!(list.contains("app.js") && list.contains("docs/"), "{list}");
    for own in ["Staticfile", "manifest.yml", ".git", "href=\"../\""] {
        assert!(!list.contains(own), "{own}: {list}");
    }
}

#[tokio::test]
async fn what_begins_with_a_dot_is_served_where_that_is_wished() {
    let (_dir, bed) = ruled(Site {
        dot_files: true,
        ..Site::default()
    });
    assert!(
        ask(&bed, "GET", "/.git/config", "")
            .await
            .ends_with("secret")
    );
    for path in ["/../outside", "/.git/../../outside", "/Staticfile"] {
        let answer = ask(&bed, "GET", path, "").await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_request_without_tls_is_sent_to_https() {
    let (_dir, bed) = ruled(Site {
        force_https: true,
        strict_transport: Some("max-age=31536000".to_owned()),
        ..Site::default()
    });
    let answer = ask(&bed, "POST", "/docs/?a=b", "Content-Length: 0\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 301 "), "{answer}");
    assert_eq!(header(&answer, "location"), "https://site.test/docs/?a=b");
}

#[tokio::test]
async fn errors_have_the_pages_that_the_site_names() {
    let mut pages = vec![page(404, "/docs/"), page(405, "https://example.kr/help")];
    let (dir, bed) = ruled(Site {
        pages: pages.clone(),
        ..Site::default()
    });
    let answer = ask(&bed, "GET", "/nothing", "").await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\ndocs"), "{answer}");
    let answer = ask(&bed, "POST", "/", "Content-Length: 0\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 302 "), "{answer}");
    assert_eq!(header(&answer, "location"), "https://example.kr/help");

    pages[0].answer = Some(200);
    pages[0].page = "/not-there.html".to_owned();
    let bed = Bed::new(vec![site_with(
        &dir.path().join("root"),
        Site {
            pages: pages.clone(),
            ..Site::default()
        },
    )]);
    let answer = ask(&bed, "GET", "/nothing", "").await;
    assert!(
        answer.starts_with("HTTP/1.1 404 ") && answer.ends_with("404 Not Found\n"),
        "{answer}"
    );
    pages[0].page = "/app.js".to_owned();
    let bed = Bed::new(vec![site_with(
        &dir.path().join("root"),
        Site {
            pages,
            ..Site::default()
        },
    )]);
    let answer = ask(&bed, "GET", "/nothing", "").await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("let plain = 1;"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_site_with_a_password_is_for_who_knows_it() {
    // Of `hong:password`.
    let hash = "$2y$05$JIRWtDAsEGm3KNuCL6VBnuPsXpBAqMRGFQWmnjg/9VmNK1upKUqCC";
    let (_dir, bed) = ruled(Site {
        logins: Some(vec![Login {
            name: "hong".to_owned(),
            hash: hash.to_owned(),
        }]),
        pages: vec![page(401, "/404.html")],
        ..Site::default()
    });
    for path in ["/", "/docs", "/nothing", "/.git/config"] {
        let answer = ask(&bed, "GET", path, "").await;
        assert!(
            answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"),
            "{path}: {answer}"
        );
        let realm = "Basic realm=\"Restricted\", charset=\"UTF-8\"";
        assert_eq!(header(&answer, "www-authenticate"), realm);
        assert!(answer.ends_with("<h1>lost</h1>"), "{path}: {answer}");
    }
    let wrong = "Authorization: Basic aG9uZzp3cm9uZw==\r\n";
    assert!(
        ask(&bed, "GET", "/", wrong)
            .await
            .starts_with("HTTP/1.1 401 ")
    );
    let right = "Authorization: Basic aG9uZzpwYXNzd29yZA==\r\n";
    for _ in 0..2 {
        let answer = ask(&bed, "GET", "/", right).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("<h1>home</h1>"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn redirects_and_headers_are_those_of_the_site() {
    let redirect = |from: &str, to: &str, status, force| Redirect {
        from: Pattern::parse(from).unwrap(),
        to: to.to_owned(),
        status,
        force,
    };
    let (_dir, bed) = ruled(Site {
        redirects: vec![
            redirect("/app.js", "/other", 302, false),
            redirect("/large.bin", "/docs/", 301, true),
            redirect("/old/*", "/docs/:splat", 301, false),
            redirect("/app/*", "/docs/index.html", 200, false),
            redirect("/gone", "/404.html", 410, false),
            redirect("/hidden", "/.git/config", 200, false),
        ],
        headers: vec![HeaderRule {
            paths: Pattern::parse("/docs/*").unwrap(),
            set: vec![("cache-control".to_owned(), "no-cache".to_owned())],
            removed: vec!["etag".to_owned()],
        }],
        ..Site::default()
    });
    // What is there comes first, unless it is said otherwise.
    assert!(
        ask(&bed, "GET", "/app.js", "")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    let forced = ask(&bed, "GET", "/large.bin?a=b", "").await;
    assert!(forced.starts_with("HTTP/1.1 301 "), "{forced}");
    assert_eq!(header(&forced, "location"), "/docs/?a=b");
    let old = ask(&bed, "GET", "/old/%EA%B8%80.html", "").await;
    assert_eq!(header(&old, "location"), "/docs/%EA%B8%80.html");
    let rewritten = ask(&bed, "GET", "/app/1/2", "").await;
    assert!(
        rewritten.starts_with("HTTP/1.1 200 ") && rewritten.ends_with("docs"),
        "{rewritten}"
    );
    let gone = ask(&bed, "GET", "/gone", "").await;
    assert!(
        gone.starts_with("HTTP/1.1 410 ") && gone.ends_with("<h1>lost</h1>"),
        "{gone}"
    );
    assert!(
        ask(&bed, "GET", "/hidden", "")
            .await
            .starts_with("HTTP/1.1 404 ")
    );

    let docs = ask(&bed, "GET", "/docs/", "").await;
    assert_eq!(
        (header(&docs, "cache-control"), header(&docs, "etag")),
        ("no-cache", "")
    );
    let home = ask(&bed, "GET", "/", "").await;
    assert!(header(&home, "cache-control").is_empty() && !header(&home, "etag").is_empty());
}
