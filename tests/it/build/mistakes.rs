//! Builds that go wrong, and builds that mean harm.

use std::{pin::Pin, time::Duration};

use pastina::model::ProcessType;

use super::place::{Place, zip};
use crate::support::is_root;
use crate::support::until;

/// A package whose one step is a shell script of the test's.
pub(super) fn script(run: &str) -> [(&'static str, String); 3] {
    let package = serde_json::json!({"scripts": {"build": "bash build.sh", "start": "true"}});
    [
        ("package.json", package.to_string()),
        ("build.sh", run.to_owned()),
        ("node_modules/none", String::new()),
    ]
}

pub(super) fn borrowed<'a>(files: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect()
}

#[tokio::test]
async fn a_failed_step_is_told_with_its_command_and_its_last_lines() {
    let place = Place::new();
    let files = script("echo all went well until here; echo 'no such thing: 물건' >&2; exit 3");
    let told = place.failure(&borrowed(&files)).await;
    for part in [
        "BuildpackCompileFailed: the step \"Building\" failed: Exit status 3",
        "\n  command: npm run build\n",
        "| all went well until here",
        "| no such thing: 물건",
        "all of the output is in the log of example",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    let log = place.log();
    assert!(
        log.iter().any(|line| line == "no such thing: 물건"),
        "{log:#?}"
    );
}

#[tokio::test]
async fn a_build_beyond_its_memory_is_told_as_such() {
    if !is_root() {
        // Without a cgroup of its own, nothing counts its memory.
        return;
    }
    let place = Place::with(|config| config.memory = pastina::model::Megabytes(96));
    let files = script("python3 -c 'x = \"x\" * (1 << 30)'; echo not killed");
    let told = place.failure(&borrowed(&files)).await;
    assert!(
        told.starts_with("InsufficientResources: the step \"Building\""),
        "{told}"
    );
    assert!(told.contains("needed more than the 96M"), "{told}");
}

#[tokio::test]
async fn a_build_beyond_its_time_is_killed() {
    let place = Place::with(|config| config.timeout = Duration::from_secs(15));
    let files = script("echo waiting for a lock; sleep 1000 & sleep 1000");
    let told = place.failure(&borrowed(&files)).await;
    assert!(
        told.starts_with("StagingTimeExpired: the step \"Building\" was stopped"),
        "{told}"
    );
    assert!(told.contains("| waiting for a lock"), "{told}");
}

/// Begins a build that never ends, and hands it over.
async fn begun(place: &Place) -> (String, Pin<Box<dyn Future<Output = ()>>>) {
    let files = script("echo begun; sleep 1000");
    let files = files
        .iter()
        .map(|(path, text)| (*path, text.clone().into_bytes()));
    let request = place.request(zip(files), &[]).await;
    let build = request.build.to_string();
    let builder = place.builder.clone();
    let mut staging: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
        panic!("{:?}", builder.stage(request).await);
    });
    let begun = until("the build to begin", || {
        place.log().iter().any(|line| line == "begun")
    });
    tokio::select! {
        () = &mut staging => {}
        () = begun => {}
    }
    (build, staging)
}

async fn gone(place: &Place, build: &str) {
    let folder = place.root.path().join("builds").join(build);
    until("the folder to be gone", || !folder.exists()).await;
    place.left_nothing();
    let groups = std::process::Command::new("find")
        .args(["/sys/fs/cgroup", "-name", &format!("*{build}*")])
        .output()
        .unwrap();
    assert!(groups.stdout.is_empty());
}

#[tokio::test]
async fn a_build_that_is_dropped_leaves_nothing() {
    let place = Place::new();
    let (build, staging) = begun(&place).await;
    drop(staging);
    gone(&place, &build).await;
}

#[tokio::test]
async fn a_build_whose_daemon_died_is_ended_by_the_next() {
    let place = Place::new();
    let (build, staging) = begun(&place).await;
    // A dead daemon drops nothing.
    std::mem::forget(staging);
    let _next = place.successor();
    gone(&place, &build).await;
}

#[tokio::test]
async fn a_build_cannot_make_the_platform_write_or_read_outside() {
    let place = Place::new();
    let outside = place.root.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let secret = place.root.path().join("secret");
    std::fs::write(&secret, "web: leaked").unwrap();
    let run = format!(
        "rm -rf /home/vcap/logs /home/vcap/profile.d; ln -s {0} /home/vcap/logs; \
         ln -s {0} /home/vcap/profile.d; ln -s {0}/info /home/vcap/staging_info.yml; \
         ln -s {1} Procfile; mkfifo Staticfile",
        outside.display(),
        secret.display()
    );
    let staged = place.stage(&borrowed(&script(&run))).await.unwrap();
    assert_eq!(staged.process_types[&ProcessType::web()], "exec npm start");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[tokio::test]
async fn an_app_that_nothing_recognises_runs_with_a_command_of_its_own() {
    let mut place = Place::new();
    let files = [("run.pl", "print 1")];
    let told = place.failure(&files).await;
    assert!(told.starts_with("NoAppDetectedError: no runtime recognises this app. Found run.pl."));
    place.own_command = true;
    let staged = place.stage(&files).await.unwrap();
    assert_eq!(staged.buildpacks[0].name, "binary_buildpack");
    assert!(staged.process_types.is_empty());
}

#[tokio::test]
async fn mistakes_are_told_in_words() {
    let place = Place::new();
    let told = place
        .failure(&[("requirements.txt", ""), ("thing.py", "")])
        .await;
    assert!(
        told.starts_with("BuildpackReleaseFailed: nothing says how to start"),
        "{told}"
    );
    let told = place.failure(&[("Procfile", "just words")]).await;
    assert!(
        told.starts_with("BuildpackReleaseFailed: the Procfile is not"),
        "{told}"
    );
    let told = place.failure(&[("a.wasm", "\0asm\x01\0\0\0")]).await;
    assert!(
        told.contains("a.wasm is a core module, not a component"),
        "{told}"
    );
}
