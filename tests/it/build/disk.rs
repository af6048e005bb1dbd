//! What a build may write, and what is kept of it for the next.

use std::{fs, os::unix::fs::FileExt, path::PathBuf};

use pastina::model::Megabytes;

use super::{
    mistakes::{borrowed, script},
    place::Place,
};
use crate::support::{is_root, until};

const NO_ROOM: &str =
    "InsufficientResources: the step \"Building\" needed more than the 96M of disk";

/// A place where builds have little room; none where the kernel does not keep to it.
fn small() -> Option<Place> {
    is_root().then(|| Place::with(|config| config.disk = Megabytes(96)))
}

async fn failure(place: &Place, run: &str) -> String {
    place.failure(&borrowed(&script(run))).await
}

/// Asserts that nothing is mounted any more.
async fn put_away(place: &Place) {
    let dir = place.root.path().to_str().unwrap().to_owned();
    until("the loop devices to be free", || {
        let all = fs::read_dir("/sys/block").unwrap().flatten();
        let files = all
            .filter_map(|device| fs::read_to_string(device.path().join("loop/backing_file")).ok());
        !files.into_iter().any(|file| file.contains(&dir))
    })
    .await;
}

#[tokio::test]
async fn a_build_beyond_its_disk_is_told_as_such() {
    let Some(place) = small() else { return };
    for run in [
        "echo begun; dd if=/dev/zero of=big bs=1M count=500",
        // A tool that removes what it could not finish.
        "dd if=/dev/zero of=/tmp/big bs=1M count=500 || { rm /tmp/big; exit 1; }",
        // One that does not say what is the matter.
        "dd if=/dev/zero of=/home/vcap/tmp/big bs=1M count=500 2>/dev/null",
        // By files without end.
        "mkdir ../deps/d && cd ../deps/d && python3 -c '
for number in range(1 << 20): open(str(number), \"w\")'",
    ] {
        let told = failure(&place, run).await;
        assert!(told.starts_with(NO_ROOM), "{run}: {told}");
    }
    put_away(&place).await;
    // It was its own disk alone.
    place
        .stage(&borrowed(&script("echo small > result")))
        .await
        .unwrap();
    put_away(&place).await;
}

#[tokio::test]
async fn a_package_beyond_the_disk_of_a_build_is_told_as_such() {
    if !is_root() {
        return;
    }
    let place = Place::with(|config| config.disk = Megabytes(8));
    let large = "x".repeat(20 << 20);
    let files = script("true");
    let mut files = borrowed(&files);
    files.push(("large", &large));
    let told = place.failure(&files).await;
    assert!(
        told.starts_with("InsufficientResources: the package is larger when unpacked than the 8M"),
        "{told}"
    );
    put_away(&place).await;
}

#[tokio::test]
async fn a_cache_is_kept_and_one_that_is_full_is_not() {
    let place = Place::new();
    let seen = |place: &Place, line: &str| place.log().iter().filter(|one| *one == line).count();
    let look = "cat /home/vcap/cache/kept; ls /home/vcap/cache; echo first > /home/vcap/cache/kept";
    for before in [0, 1] {
        place.stage(&borrowed(&script(look))).await.unwrap();
        assert_eq!(seen(&place, "first"), before);
    }
    assert_eq!(seen(&place, "lost+found"), 0);
    if !is_root() {
        return;
    }
    let told = failure(&place, "fallocate -l 5G /home/vcap/cache/big").await;
    assert!(
        told.starts_with(
            "InsufficientResources: the step \"Building\" filled the app's build cache, which may \
             hold 4096M"
        ),
        "{told}"
    );
    assert_eq!(seen(&place, "first"), 1);
    // The next one begins with an empty cache.
    place.stage(&borrowed(&script(look))).await.unwrap();
    assert_eq!(seen(&place, "first"), 1);
    place.builder.forget(place.app.id).await.unwrap();
    let left = fs::read_dir(caches(&place)).unwrap().count();
    assert_eq!(left, 0);
    put_away(&place).await;
}

fn caches(place: &Place) -> PathBuf {
    place.root.path().join("builds/caches")
}

#[tokio::test]
async fn a_cache_in_pieces_is_not_used() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let look = "cat /home/vcap/cache/kept; echo first > /home/vcap/cache/kept";
    place.stage(&borrowed(&script(look))).await.unwrap();
    let image = caches(&place).join(format!("{}.img", place.app.id));
    until("the cache to be written", || image.exists()).await;
    // As after a power cut: mounted, and never unmounted.
    let file = fs::File::options().write(true).open(&image).unwrap();
    file.write_all_at(&[0], 1024 + 0x3a).unwrap();
    place.stage(&borrowed(&script(look))).await.unwrap();
    assert!(!place.log().iter().any(|line| line == "first"));
    until("the cache to be written", || image.exists()).await;
    fs::write(&image, vec![7; 1 << 20]).unwrap();
    place.stage(&borrowed(&script(look))).await.unwrap();
    put_away(&place).await;
}
