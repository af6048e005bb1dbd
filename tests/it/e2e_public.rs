//! Public apps, as small manifests that fetch them from their registries (`tests/apps`), and a WAR
//! with names and pages in Korean: each is pushed by the stock `cf`, answers with its own page, and
//! is there again after its processes were killed.

use std::{fs, io::Write, path::Path};

use zip::{ZipWriter, write::SimpleFileOptions};

use crate::support::{Cf, Daemon, eventually};

fn story(name: &str, path: &str, page: &str) {
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/apps")
        .join(name);
    cf.run_in(&folder, &["push"]);
    let app = format!("public-{name}");
    let answers = || {
        eventually(&format!("{app} to answer"), || {
            let (status, body) = daemon.get(&app, path);
            (status == 200 && body.contains(page)).then_some(())
        });
    };
    answers();
    kill(&cf.guid(&app));
    eventually("the crash to be told", || {
        cf.run(&["events", &app])
            .contains("app.crash")
            .then_some(())
    });
    answers();
    // Of before and after.
    let log = cf.run(&["logs", &app, "--recent"]);
    for part in ["[STG/0]", "[CELL/0]", "Exit status 137"] {
        assert!(log.contains(part), "{part}: {log}");
    }
    cf.run(&["delete", &app, "-f", "-r"]);
}

/// Kills every process whose environment names the app and that has a parent in the app, so
/// neither the platform's own.
fn kill(guid: &str) {
    let mut killed = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment);
        if environment.contains(guid) && environment.contains("CF_INSTANCE_GUID=") {
            let pid = nix::unistd::Pid::from_raw(pid);
            killed +=
                i32::from(nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).is_ok());
        }
    }
    assert!(killed > 0, "no process of {guid}");
}

#[test]
fn go_httpbin_of_the_module_proxy() {
    story("go-httpbin", "/get?a=b", "\"a\"");
}

#[test]
fn present_of_the_module_proxy() {
    story("go-present", "/hello.slide", "판교의 파스타");
}

#[test]
fn httpbin_of_pypi() {
    story("httpbin", "/get?a=b", "\"args\":{\"a\":\"b\"}");
}

#[test]
fn datasette_of_pypi() {
    story("datasette", "/-/versions.json", "\"datasette\"");
}

#[test]
fn a_server_of_packages_of_pypi() {
    story("pypiserver", "/", "Welcome to pypiserver!");
}

#[test]
fn django_as_it_starts_a_project() {
    story("django", "/admin/login/", "Log in | Django site admin");
}

#[test]
fn json_server_of_npm() {
    story("json-server", "/posts/1", "첫 글");
}

#[test]
fn node_red_of_npm() {
    story("node-red", "/", "<title>Node-RED</title>");
}

#[test]
fn a_vite_starter_of_npm() {
    story("vite", "/", "<title>Vite App</title>");
}

#[test]
fn jolokia_of_maven_central_as_a_war() {
    story("jolokia", "/version", "\"protocol\":\"7.2\"");
}

#[test]
fn zipkin_of_maven_central_as_a_spring_boot_jar() {
    story("zipkin", "/health", "InMemoryStorage");
}

#[test]
fn adminer_of_debian() {
    story("adminer", "/", "Login - Adminer");
}

#[test]
fn a_rack_app_of_debian() {
    story("rack-lobster", "/", "Lobstericious!");
}

/// `cf push -p NAME.war` sends what is in the archive.
#[test]
fn a_korean_war() {
    let daemon = Daemon::shared();
    let cf = Cf::login(&daemon);
    let dir = tempfile::tempdir().unwrap();
    let war = dir.path().join("민원안내.war");
    let mut zip = ZipWriter::new(fs::File::create(&war).unwrap());
    let page = "<%@ page contentType=\"text/html; charset=UTF-8\" pageEncoding=\"UTF-8\" %>";
    let files = [
        (
            "META-INF/MANIFEST.MF",
            "Manifest-Version: 1.0\r\n\r\n".to_owned(),
        ),
        ("WEB-INF/web.xml", "<web-app version=\"3.0\"/>".to_owned()),
        (
            "index.jsp",
            format!("{page}<h1>민원 안내</h1><%= request.getParameter(\"이름\") %>"),
        ),
        (
            "공지/첫 공지.jsp",
            format!("{page}<p>공지입니다 <%= 1 + 1 %></p>"),
        ),
        ("자료/서식.txt", "가나다라".to_owned()),
    ];
    for (name, text) in files {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    cf.run(&["push", "minwon", "-p", war.to_str().unwrap(), "-m", "512M"]);
    assert!(daemon.get_ok("minwon").contains("민원 안내"));
    let encode = |text: &str| -> String {
        let byte = |byte: u8| match byte {
            b'/' | b'?' | b'=' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        };
        text.bytes().map(byte).collect()
    };
    for (path, expected) in [
        ("/?이름=홍길동", "홍길동"),
        ("/공지/첫 공지.jsp", "공지입니다 2"),
        ("/자료/서식.txt", "가나다라"),
    ] {
        let (status, body) = daemon.get("minwon", &encode(path));
        assert!(
            status == 200 && body.contains(expected),
            "{path}: {status} {body}"
        );
    }
    assert_eq!(daemon.get("minwon", "/WEB-INF/web.xml").0, 404);
    cf.run(&["delete", "minwon", "-f", "-r"]);
}
