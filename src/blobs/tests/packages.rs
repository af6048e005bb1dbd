//! What is kept, matched and unpacked.

use std::{fs, os::unix::fs::MetadataExt, time::Instant};

use super::{
    LIMITS, Place,
    crafted::{Crafted, FILE},
    listing, map,
};
use crate::blobs::{BlobError, Blobs, Resource, handle, hash};

fn resource(path: &str, content: &[u8], mode: u32) -> Resource {
    use sha1::{Digest, Sha1};
    Resource {
        path: path.to_owned(),
        sha1: hash::hex(Sha1::digest(content)),
        size: content.len() as u64,
        mode,
    }
}

#[tokio::test]
async fn the_same_content_is_kept_once_under_its_digest() {
    let place = Place::new();
    let blob = place.put(b"hello").await;
    assert_eq!(blob.size, 5);
    assert_eq!(
        blob.sha256,
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    );
    assert_eq!(place.put(b"hello").await, blob);
    assert_eq!(
        fs::read(place.blobs.path(&blob.sha256).unwrap()).unwrap(),
        b"hello"
    );
    place.assert_tidy();

    let other = place.put(b"other").await;
    place
        .blobs
        .retain([other.sha256.clone()].into())
        .await
        .unwrap();
    assert!(matches!(
        place.blobs.path(&blob.sha256),
        Err(BlobError::Missing(_))
    ));
    place.blobs.path(&other.sha256).unwrap();
    assert!(matches!(
        place.blobs.path("../../etc/passwd"),
        Err(BlobError::Missing(_))
    ));
}

#[tokio::test]
async fn what_was_put_just_now_is_not_cleaned_up() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(dir.path(), LIMITS).unwrap();
    let blob = blobs.put(&b"hello"[..]).await.unwrap();
    blobs.retain([].into()).await.unwrap();
    blobs.path(&blob.sha256).unwrap();
}

#[tokio::test]
async fn a_package_is_unpacked_with_modes_links_and_korean_names() {
    let place = Place::new();
    let zip = Crafted::default()
        .file("main.py", b"print()")
        .entry(b"bin/", 0o040_700, b"")
        .entry(b"bin/run", 0o104_755, b"#!/bin/sh")
        .entry(b"no-mode", 0, b"1")
        .entry("한글/파일.txt".as_bytes(), FILE, "내용".as_bytes())
        .link("current", "한글/파일.txt")
        .link("한글/up", "../main.py")
        .link("dangling", "not/there");
    let blob = place.put(&zip.finish()).await;
    let package = place
        .blobs
        .put_package(Some(blob.clone()), Vec::new())
        .await
        .unwrap();
    assert_eq!(package, blob);
    let into = place.folder("app");
    place
        .blobs
        .unpack_package(&package.sha256, &into, None)
        .await
        .unwrap();
    let expected = [
        ("main.py", "644 print()"),
        ("bin", "700"),
        ("bin/run", "755 #!/bin/sh"),
        ("no-mode", "644 1"),
        ("한글", "755"),
        ("한글/파일.txt", "644 내용"),
        ("current", "-> 한글/파일.txt"),
        ("한글/up", "-> ../main.py"),
        ("dangling", "-> not/there"),
    ];
    assert_eq!(listing(&into), map(&expected));
}

#[tokio::test]
async fn everything_belongs_to_the_owner() {
    let place = Place::new();
    let into = place.folder("app");
    if std::os::unix::fs::chown(&into, Some(1), Some(1)).is_err() {
        // Only root can give files away.
        return;
    }
    let zip = Crafted::default()
        .file("a/b", b"1")
        .link("l", "a/b")
        .finish();
    let blob = place.put(&zip).await;
    place
        .blobs
        .unpack_package(&blob.sha256, &into, Some(123_456))
        .await
        .unwrap();
    for name in ["", "a", "a/b", "l"] {
        let there = fs::symlink_metadata(into.join(name)).unwrap();
        assert_eq!((there.uid(), there.gid()), (123_456, 123_456), "{name}");
    }
}

#[tokio::test]
async fn matched_files_need_not_be_sent_again() {
    let place = Place::new();
    let (large, other) = (vec![b'x'; 100_000], vec![b'y'; 70_000]);
    let small = b"small".to_vec();
    let zip = Crafted::default()
        .file("large", &large)
        .file("other", &other)
        .file("small", &small);
    let first = place.put(&zip.finish()).await;
    let asked = [
        resource("large", &large, 0o755),
        resource("other", &other, 0),
        resource("small", &small, 0o644),
        resource("unknown", b"unknown", 0o644),
    ];
    assert_eq!(place.blobs.matching(&asked), []);
    place
        .blobs
        .put_package(Some(first.clone()), Vec::new())
        .await
        .unwrap();
    let matched = place.blobs.matching(&asked);
    assert_eq!(matched, asked[..2]);

    // What was sent wins over what matched.
    let zip = Crafted::default()
        .file("new", b"new")
        .file("other", b"sent")
        .link("l", "new");
    let second = place.put(&zip.finish()).await;
    let package = place
        .blobs
        .put_package(Some(second), matched.clone())
        .await
        .unwrap();
    let into = place.folder("app");
    place
        .blobs
        .unpack_package(&package.sha256, &into, None)
        .await
        .unwrap();
    let large_look = format!("755 {}", "x".repeat(100_000));
    let expected = [
        ("new", "644 new"),
        ("other", "644 sent"),
        ("l", "-> new"),
        ("large", large_look.as_str()),
    ];
    assert_eq!(listing(&into), map(&expected));

    // Nothing but what is here.
    let package = place.blobs.put_package(None, matched).await.unwrap();
    let into = place.folder("again");
    place
        .blobs
        .unpack_package(&package.sha256, &into, None)
        .await
        .unwrap();
    assert_eq!(listing(&into).len(), 2);
    place.assert_tidy();

    // Another process has the pool as well.
    let again = Blobs::open(&place.dir.path().join("blobs"), LIMITS).unwrap();
    assert_eq!(again.matching(&asked).len(), 2);
}

#[tokio::test]
async fn the_pool_is_bounded_and_lets_go_of_the_oldest() {
    let place = Place::new();
    let contents: Vec<Vec<u8>> = (0..4).map(|number| vec![number; 100_000]).collect();
    for (number, content) in contents.iter().enumerate() {
        let zip = Crafted::default().file(&format!("f{number}"), content);
        let blob = place.put(&zip.finish()).await;
        place
            .blobs
            .put_package(Some(blob), Vec::new())
            .await
            .unwrap();
    }
    let asked: Vec<_> = contents
        .iter()
        .map(|content| resource("f", content, 0))
        .collect();
    assert_eq!(place.blobs.matching(&asked), asked[2..]);
    let gone = place
        .blobs
        .put_package(None, vec![asked[0].clone()])
        .await
        .unwrap_err();
    assert!(gone.to_string().contains("push again"), "{gone}");
}

#[tokio::test]
async fn a_matched_name_is_not_trusted_either() {
    let place = Place::new();
    let large = vec![b'x'; 100_000];
    let blob = place
        .put(&Crafted::default().file("large", &large).finish())
        .await;
    place
        .blobs
        .put_package(Some(blob), Vec::new())
        .await
        .unwrap();
    for path in ["../x", "/etc/x", "a/../../x", "large/"] {
        let asked = resource(path, &large, 0o4755);
        let outcome = place
            .blobs
            .put_package(None, vec![asked.clone(), asked])
            .await;
        assert_eq!(outcome.is_err(), path != "large/", "{path}");
        if let Ok(package) = outcome {
            let into = place.folder("app");
            place
                .blobs
                .unpack_package(&package.sha256, &into, None)
                .await
                .unwrap();
            assert!(listing(&into)["large"].starts_with("755 xxx"));
        }
    }
}

#[tokio::test]
async fn an_empty_package_is_refused_with_advice() {
    let place = Place::new();
    let empty = place.put(&Crafted::default().finish()).await;
    for zip in [Some(empty), None] {
        let refused = place.blobs.put_package(zip, Vec::new()).await.unwrap_err();
        assert!(
            refused.to_string().contains("push from the folder"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn ten_thousand_entries_are_no_burden() {
    let place = Place::new();
    let zip = (0..10_000).fold(Crafted::default(), |zip, number| {
        zip.file(
            &format!("node_modules/p{}/lib/f{number}.js", number / 10),
            b"module.exports = 1",
        )
    });
    let started = Instant::now();
    let blob = place.put(&zip.finish()).await;
    place
        .blobs
        .put_package(Some(blob.clone()), Vec::new())
        .await
        .unwrap();
    let into = place.folder("app");
    place
        .blobs
        .unpack_package(&blob.sha256, &into, None)
        .await
        .unwrap();
    println!("10,000 entries in {:?}", started.elapsed());
    assert_eq!(listing(&into).len(), 10_000 + 2_001);
}

#[tokio::test]
async fn what_an_interrupted_predecessor_left_is_removed() {
    let place = Place::new();
    let blob = place.put(b"hello").await;
    let dir = place.dir.path().join("blobs");
    fs::create_dir_all(dir.join("half/tree/locked")).unwrap();
    fs::write(dir.join("half/upload"), "half").unwrap();
    fs::set_permissions(
        dir.join("half/tree/locked"),
        std::os::unix::fs::PermissionsExt::from_mode(0o0),
    )
    .unwrap();
    let again = Blobs::open(&dir, LIMITS).unwrap();
    place.assert_tidy();
    again.path(&blob.sha256).unwrap();
}

#[tokio::test]
async fn what_was_not_synced_goes_when_the_host_was_started_anew() {
    let dir = tempfile::tempdir().unwrap();
    let boot = dir.path().join("boot_id");
    let tree = dir.path().join("trees/app/droplet");
    let check = |id: &str, stays: bool| {
        fs::create_dir_all(&tree).unwrap();
        fs::write(&boot, id).unwrap();
        handle::forget_after_boot(dir.path(), &boot).unwrap();
        assert_eq!(tree.exists(), stays, "{id}");
    };
    check("first", false);
    check("first", true);
    check("second", false);
}
