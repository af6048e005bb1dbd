//! Builds as attacks on other builds and on the host.

use pastina::model::AppId;

use super::place::Place;

/// A package whose one step is this shell script.
async fn run(place: &Place, script: &str) -> Vec<String> {
    let package = serde_json::json!({"scripts": {"build": "bash build.sh", "start": "true"}});
    let before = place.log().len();
    let files = [
        ("package.json", package.to_string()),
        ("build.sh", script.to_owned()),
        ("node_modules/none", String::new()),
    ];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    place.stage(&files).await.unwrap();
    let mut log = place.log();
    log.split_off(before.min(log.len()))
}

#[tokio::test]
async fn a_cache_is_of_one_app_alone() {
    let mut place = Place::new();
    let poison = "find /home/vcap/cache -type d -exec sh -c 'echo poisoned > \"$1/poison\"; ln -s / \"$1/root\"' _ {} \\;";
    run(&place, poison).await;
    let log = run(&place, "find /home/vcap/cache -name poison | wc -l").await;
    // The same app finds what it left itself.
    assert!(
        log.iter()
            .any(|line| line.parse::<u32>().is_ok_and(|n| n > 0)),
        "{log:#?}"
    );
    place.app.id = AppId::random();
    let log = run(
        &place,
        "find /home/vcap/cache -name poison -o -name root | wc -l; echo looked",
    )
    .await;
    assert!(log.iter().any(|line| line == "0"), "{log:#?}");
    assert!(log.iter().any(|line| line == "looked"), "{log:#?}");
}

#[tokio::test]
async fn a_build_has_the_walls_of_an_app() {
    let place = Place::new();
    let log = run(
        &place,
        "id -u; grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; ls -A /root /run /proc/1/fd 2>&1 | wc -l; \
         unshare -r true 2>&1; mount -t tmpfs none /tmp 2>&1; cat /proc/1/environ 2>&1 | wc -c; env | sort; \
         (exec 3<>/dev/tcp/127.0.0.1/1) 2>&1; for f in /usr/x /etc/x /x; do (echo x > $f) 2>/dev/null && echo written $f; done; \
         (setsid sleep 3000 >/dev/null 2>&1 &); echo end",
    )
    .await;
    let text = log.join("\n");
    for part in [
        "\n2000\n",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "end",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(!text.contains("written"), "{text}");
    assert!(text.contains("Operation not permitted"), "{text}");
    // The tests' own environment, as the daemon's would be, is not the build's.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "RUST_BACKTRACE"] {
        assert!(!text.contains(name), "{name} in {text}");
    }
    // What it left running went with it.
    place.left_nothing();
}
