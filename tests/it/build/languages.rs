//! The languages beyond the first ones: each example is built and started, where its tools come
//! from Debian, and so are apps of other shapes.

use super::{examples::answers, place::Place};

/// Files of an app.
fn files(files: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let own = |(path, text): &(&str, &str)| ((*path).to_owned(), text.as_bytes().to_vec());
    files.iter().map(own).collect()
}

#[tokio::test]
async fn ruby_with_the_hosts_gems() {
    answers("rack", 128, "ruby_buildpack", "Hello from Sinatra").await;
}

#[tokio::test]
async fn php_with_a_front_controller() {
    let place = answers("php-site", 128, "php_buildpack", "Hello from PHP").await;
    let log = place.log().join("\n");
    assert!(log.contains("Checking the syntax"), "{log}");
}

#[tokio::test]
async fn rust_without_crates() {
    answers("rust-service", 32, "rust_buildpack", "Hello from Rust").await;
}

#[tokio::test]
async fn nginx_on_its_own() {
    let mut place = Place::new();
    place.app.env.insert("GREETING".to_owned(), "hi".to_owned());
    let (_, answer) = place
        .staged_and_started(super::place::example("nginx-site"), 32)
        .await;
    assert!(answer.contains("Hello from nginx"), "{answer}");
}

/// Exploded, as clients send it; Tomcat comes from Maven Central and is kept.
#[tokio::test]
async fn a_war_with_pages_in_korean() {
    let place = answers("jsp-war", 512, "java_buildpack", "안녕하세요, 여러분").await;
    let log = place.log().join("\n");
    assert!(log.contains("Using Tomcat 9."), "{log}");
}

/// What `./gradlew` would leave, by a wrapper that needs no network.
#[tokio::test]
async fn a_wrapper_of_gradle_is_used() {
    let place = Place::new();
    let source = "public class Main { public static void main(String[] a) throws Exception { \
                  var s = com.sun.net.httpserver.HttpServer.create(new java.net.InetSocketAddress(\
                  Integer.parseInt(System.getenv(\"PORT\"))), 0); s.createContext(\"/\", e -> { \
                  var b = \"Hello from Gradle\".getBytes(); e.sendResponseHeaders(200, b.length); \
                  e.getResponseBody().write(b); e.close(); }); s.start(); } }";
    let wrapper = "set -e\nmkdir -p build/classes build/libs\njavac -d build/classes Main.java\n\
                   jar --create --file build/libs/app.jar --main-class Main -C build/classes .\n\
                   echo \"$@\"\n";
    let app = [
        ("build.gradle", "plugins { id 'java' }"),
        ("gradlew", wrapper),
        ("Main.java", source),
    ];
    let (staged, answer) = place.staged_and_started(files(&app), 128).await;
    assert!(answer.contains("Hello from Gradle"), "{answer}");
    assert_eq!(staged.buildpacks[0].name, "java_buildpack");
    let log = place.log();
    assert!(
        log.iter()
            .any(|line| line == "--no-daemon --console=plain assemble"),
        "{log:#?}"
    );
}

const SERVER: &str = "const leftPad = require('left-pad')\n\
     require('http').createServer((q, r) => r.end('Hello' + leftPad('!', 3, '-')))\
     .listen(process.env.PORT)\n";

#[tokio::test]
async fn yarn_and_pnpm_by_their_lock_files() {
    let package = r#"{"name":"x","version":"1.0.0","private":true,"scripts":{"start":"node server.js","build":"echo built > built.txt"},"dependencies":{"left-pad":"1.3.0"}}"#;
    let yarn = "# yarn lockfile v1\n\n\nleft-pad@1.3.0:\n  version \"1.3.0\"\n  resolved \
                \"https://registry.yarnpkg.com/left-pad/-/left-pad-1.3.0.tgz#5b8a3a7765dfe001261dde915589e782f8c94d1e\"\n  \
                integrity sha512-XI5MPzVNApjAyhQzphX8BkmKsKUxD4LdyK24iZeQGinBN9yTQT3bFlCBy/aVx2HrNcqQGsdot8ghrjyrvMCoEA==\n";
    let pnpm = "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  \
                excludeLinksFromLockfile: false\n\nimporters:\n\n  .:\n    dependencies:\n      \
                left-pad:\n        specifier: 1.3.0\n        version: 1.3.0\n\npackages:\n\n  \
                left-pad@1.3.0:\n    resolution: {integrity: \
                sha512-XI5MPzVNApjAyhQzphX8BkmKsKUxD4LdyK24iZeQGinBN9yTQT3bFlCBy/aVx2HrNcqQGsdot8ghrjyrvMCoEA==}\n    \
                deprecated: use String.prototype.padStart()\n\nsnapshots:\n\n  left-pad@1.3.0: {}\n";
    for (lock, text) in [("yarn.lock", yarn), ("pnpm-lock.yaml", pnpm)] {
        let place = Place::new();
        let app = [
            ("package.json", package),
            (lock, text),
            ("server.js", SERVER),
        ];
        let (_, answer) = place.staged_and_started(files(&app), 128).await;
        assert!(answer.contains("Hello--!"), "{lock}: {answer}");
        let log = place.log().join("\n");
        assert!(
            log.contains(&format!("Installing the modules of {lock}")),
            "{log}"
        );
    }
}

#[tokio::test]
async fn lock_files_of_python_without_the_tools_that_wrote_them() {
    let app = "import os, itsdangerous\nfrom http.server import *\n\
               class H(BaseHTTPRequestHandler):\n    def do_GET(self):\n        \
               self.send_response(200); self.end_headers()\n        \
               self.wfile.write(itsdangerous.__name__.encode())\n\
               HTTPServer(('', int(os.environ['PORT'])), H).serve_forever()\n";
    let sum = "sha256:c6242fc49e35958c8b15141343aa660db5fc54d4f13a1db01a3f5891b98700ef";
    let pipenv = format!(
        r#"{{"_meta":{{}},"default":{{"itsdangerous":{{"hashes":["{sum}"],"version":"==2.2.0"}}}},"develop":{{}}}}"#
    );
    let project = "[project]\nname = \"x\"\nversion = \"1\"\nrequires-python = \">=3.8\"\n\
                   dependencies = [\"itsdangerous>=2\"]\n";
    let uv = format!(
        "version = 1\n\n[[package]]\nname = \"itsdangerous\"\nversion = \"2.2.0\"\nsource = {{ registry = \
         \"https://packages.test/simple\" }}\nwheels = [{{ url = \"https://x/i.whl\", hash = \"{sum}\", size = 1 }}]\n\n\
         [[package]]\nname = \"x\"\nversion = \"1\"\nsource = {{ virtual = \".\" }}\ndependencies = [{{ name = \
         \"itsdangerous\" }}]\n"
    );
    let poetry = format!(
        "[[package]]\nname = \"itsdangerous\"\nversion = \"2.2.0\"\noptional = false\nfiles = [{{file = \
         \"i.whl\", hash = \"{sum}\"}}]\n"
    );
    let poetry_project = "[tool.poetry]\nname = \"x\"\n[tool.poetry.dependencies]\npython = \"^3.8\"\n\
                          itsdangerous = \"^2.1\"\n";
    let pipfile = "[packages]\nitsdangerous = \"*\"\n";
    for (told, told_text, lock, text) in [
        ("Pipfile", pipfile, "Pipfile.lock", pipenv.as_str()),
        ("pyproject.toml", project, "uv.lock", uv.as_str()),
        (
            "pyproject.toml",
            poetry_project,
            "poetry.lock",
            poetry.as_str(),
        ),
    ] {
        let place = Place::new();
        let app = [(told, told_text), (lock, text), ("app.py", app)];
        let (_, answer) = place.staged_and_started(files(&app), 64).await;
        assert!(answer.ends_with("itsdangerous"), "{lock}: {answer}");
    }
}
