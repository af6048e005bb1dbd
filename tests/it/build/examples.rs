//! The examples, and other apps that go well.

use super::place::{Place, example, zip};
use crate::support::examples;

pub(super) async fn answers(name: &str, memory: u64, buildpack: &str, expected: &str) -> Place {
    let place = Place::new();
    let (staged, answer) = place.staged_and_started(example(name), memory).await;
    assert!(answer.contains(expected), "{name}: {answer}");
    assert_eq!(staged.buildpacks.last().unwrap().name, buildpack);
    assert_eq!(staged.stack, "cflinuxfs4");
    place
}

#[tokio::test]
async fn the_plain_python_example() {
    answers("python-plain", 64, "python_buildpack", "Hello from Python").await;
}

#[tokio::test]
async fn the_static_example() {
    answers(
        "static-site",
        32,
        "staticfile_buildpack",
        "Hello from a static site",
    )
    .await;
}

#[tokio::test]
async fn the_procfile_example() {
    answers("procfile", 64, "binary_buildpack", "Hello from a Procfile").await;
}

#[tokio::test]
async fn the_wasm_example() {
    answers("wasm-c", 64, "wasm_buildpack", "Hello from WebAssembly").await;
}

#[tokio::test]
async fn the_flask_example() {
    let place = answers("flask", 128, "python_buildpack", "Hello from Flask").await;
    let log = place.log().join("\n");
    assert!(
        log.contains("-----> Installing the packages of requirements.txt"),
        "{log}"
    );
    assert!(log.contains("Successfully installed"), "{log}");

    // With the same packages, all pinned, no index is asked again.
    let lines = place.log().len();
    let again = place.request(zip(example("flask")), &[]).await;
    place.builder.stage(again).await.unwrap();
    let log = place.log()[lines..].join("\n");
    assert!(
        log.contains("Using the packages of the last build"),
        "{log}"
    );
    for asked in ["Collecting", "Downloading", "Successfully installed"] {
        assert!(!log.contains(asked), "{log}");
    }

    // With others it is, and those of before are not in the way.
    let lines = place.log().len();
    let mut files = example("flask");
    for (name, text) in &mut files {
        if name == "requirements.txt" {
            *text = b"flask==3.1.1\ngunicorn==23.0.0\n".to_vec();
        }
    }
    let (_, answer) = place.staged_and_started(files, 128).await;
    assert!(answer.contains("Hello from Flask"), "{answer}");
    let log = place.log()[lines..].join("\n");
    assert!(log.contains("flask-3.1.1"), "{log}");
}

#[tokio::test]
async fn the_express_example() {
    answers("express", 192, "nodejs_buildpack", "Hello from Express").await;
}

#[tokio::test]
async fn the_go_example_whose_modules_are_kept_for_the_next_push() {
    let place = answers("go-service", 64, "go_buildpack", "Hello from Go").await;
    let first = place.log();
    let downloads = |log: &[String]| log.iter().any(|line| line.starts_with("go: downloading"));
    assert!(downloads(&first), "{first:#?}");
    let request = place
        .request(zip(example("go-service")), &["go_buildpack_offline"])
        .await;
    place.builder.stage(request).await.unwrap();
    let log = place.log();
    assert!(!downloads(&log[first.len()..]), "{log:#?}");
    place.builder.forget(place.app.id).await.unwrap();
    let caches = std::fs::read_dir(place.root.path().join("builds/caches")).unwrap();
    assert_eq!(caches.count(), 0);
}

#[tokio::test]
async fn the_java_example() {
    answers("java-jar", 128, "java_buildpack", "Hello from Java").await;
}

/// What `cf push -p app.jar` sends: the JAR's content.
#[tokio::test]
async fn the_content_of_a_jar_runs() {
    let place = Place::new();
    let folder = place.root.path().join("classes");
    let source = examples().join("java-jar/src/main/java/kr/pastina/example/Main.java");
    let compiled = std::process::Command::new("javac")
        .arg("-d")
        .args([&folder, &source])
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{compiled:?}");
    let class = std::fs::read(folder.join("kr/pastina/example/Main.class")).unwrap();
    let manifest = "Manifest-Version: 1.0\r\nMain-Class: kr.pastina.example.Main\r\n\r\n";
    let files = [
        ("META-INF/MANIFEST.MF", manifest.as_bytes().to_vec()),
        ("kr/pastina/example/Main.class", class),
    ];
    let (staged, answer) = place.staged_and_started(files.map(own).into(), 96).await;
    assert!(answer.contains("Hello from Java"), "{answer}");
    assert_eq!(staged.buildpacks[0].name, "java_buildpack");
}

pub(super) fn own((path, content): (&str, Vec<u8>)) -> (String, Vec<u8>) {
    (path.to_owned(), content)
}

/// A project of pyproject.toml whose packages lie in `vendor`: no registry is asked.
#[tokio::test]
async fn vendored_python_packages_need_no_registry() {
    let place = Place::with(|config| {
        config
            .env
            .insert("PIP_INDEX_URL".to_owned(), "http://127.0.0.1:9/".to_owned());
    });
    let wheel = zip([
        ("greeting.py", b"TEXT = 'Hello from a wheel'\n".to_vec()),
        (
            "greeting-1.0.dist-info/METADATA",
            b"Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n".to_vec(),
        ),
        (
            "greeting-1.0.dist-info/WHEEL",
            b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
                .to_vec(),
        ),
        (
            "greeting-1.0.dist-info/RECORD",
            b"greeting.py,,\ngreeting-1.0.dist-info/METADATA,,\ngreeting-1.0.dist-info/WHEEL,,\n\
              greeting-1.0.dist-info/RECORD,,\n"
                .to_vec(),
        ),
    ]);
    let app = std::fs::read_to_string(examples().join("python-plain/app.py")).unwrap();
    let app = app.replace("b\"Hello from Python\\n\"", "greeting.TEXT.encode()");
    let app = format!("import greeting\n{app}");
    let files = [
        ("app.py", app.into_bytes()),
        ("requirements.txt", b"greeting==1.0\n".to_vec()),
        ("vendor/greeting-1.0-py3-none-any.whl", wheel),
        ("Procfile", b"web: python app.py\n".to_vec()),
    ];
    let (_, answer) = place.staged_and_started(files.map(own).into(), 64).await;
    assert!(answer.contains("Hello from a wheel"), "{answer}");
}
