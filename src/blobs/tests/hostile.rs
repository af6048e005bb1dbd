//! What is refused, in which words, and that nothing is left of it.

use std::{fs, io::Write};

use zip::{ZipWriter, write::SimpleFileOptions};

use super::{
    Place,
    crafted::{Crafted, FILE},
    listing,
};
use crate::blobs::BlobError;

/// Both the look at the upload and the unpacking refuse it, in words that contain `words`.
async fn check(zip: Vec<u8>, words: &str) {
    let place = Place::new();
    let outside = place.dir.path().join("outside");
    fs::write(&outside, "untouched").unwrap();
    let blob = place.put(&zip).await;
    let refused = place
        .blobs
        .put_package(Some(blob.clone()), Vec::new())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains(words), "{refused}");
    assert!(!matches!(refused, BlobError::Io { .. }), "{refused:?}");
    let into = place.folder("app");
    let refused = place
        .blobs
        .unpack_package(&blob.sha256, &into, None)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains(words), "{refused}");
    assert!(listing(&into).is_empty(), "{:?}", listing(&into));
    assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
    let names = fs::read_dir(place.dir.path()).unwrap().count();
    assert_eq!(names, 3, "something was made outside");
    place.assert_tidy();
}

#[tokio::test]
async fn names_that_leave_the_folder() {
    let climbs = "leaves the app's folder";
    for name in [
        "../outside",
        "a/../../outside",
        "/etc/outside",
        "a/..",
        "..",
        "//outside",
    ] {
        check(
            Crafted::default()
                .file("good", b"1")
                .file(name, b"x")
                .finish(),
            climbs,
        )
        .await;
    }
    check(
        Crafted::default().file("..\\outside", b"x").finish(),
        "backslash",
    )
    .await;
    check(Crafted::default().file("a\0b", b"x").finish(), "NUL").await;
    check(
        Crafted::default().file(&"n".repeat(300), b"x").finish(),
        "too long",
    )
    .await;
}

#[tokio::test]
async fn links_that_leave_the_folder() {
    let climbs = "leaves the app's folder: it is a link to";
    for target in [
        "/etc/passwd",
        "../outside",
        "a/../../outside",
        "./.././outside",
    ] {
        check(Crafted::default().link("l", target).finish(), climbs).await;
    }
    check(
        Crafted::default()
            .link("x/y/up", "../..")
            .link("x/y/out", "up/../outside")
            .finish(),
        climbs,
    )
    .await;
    check(Crafted::default().link("l", "").finish(), "link to nowhere").await;
}

#[tokio::test]
async fn files_behind_links() {
    let zip = Crafted::default()
        .link("l", "d")
        .file("d/x", b"1")
        .file("l/outside", b"x");
    check(zip.finish(), "below something that is no folder").await;
    let zip = Crafted::default().file("l/inside", b"x").link("l", "..");
    check(zip.finish(), "twice").await;
}

#[tokio::test]
async fn the_same_name_twice() {
    check(
        Crafted::default().file("a", b"1").file("a", b"2").finish(),
        "same name",
    )
    .await;
    check(
        Crafted::default()
            .file("a", b"1")
            .file("./a", b"2")
            .finish(),
        "twice",
    )
    .await;
    check(
        Crafted::default()
            .file("a", b"1")
            .file("a/b", b"2")
            .finish(),
        "no folder",
    )
    .await;
}

#[tokio::test]
async fn devices_and_pipes() {
    for kind in [0o010_644, 0o020_644, 0o060_644, 0o140_644] {
        let zip = Crafted::default().entry(b"special", kind, b"");
        check(zip.finish(), "neither a file nor a folder nor a link").await;
    }
}

#[tokio::test]
async fn a_bomb() {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for number in 0..4 {
        writer
            .start_file(format!("zeros{number}"), SimpleFileOptions::default())
            .unwrap();
        for _ in 0..64 {
            writer.write_all(&[0; 64 * 1024]).unwrap();
        }
    }
    let zip = writer.finish().unwrap().into_inner();
    assert!(zip.len() < 64 * 1024);
    check(
        zip,
        "the unpacked package is larger than the limit of 4 MiB",
    )
    .await;
}

#[tokio::test]
async fn a_bomb_that_lies_about_its_size() {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer
        .start_file("zeros", SimpleFileOptions::default())
        .unwrap();
    for _ in 0..128 {
        writer.write_all(&[0; 64 * 1024]).unwrap();
    }
    let mut zip = writer.finish().unwrap().into_inner();
    let size = u32::to_le_bytes(128 * 64 * 1024);
    while let Some(at) = zip.windows(4).position(|window| window == size) {
        zip[at..at + 4].copy_from_slice(&100_u32.to_le_bytes());
    }
    let place = Place::new();
    let blob = place.put(&zip).await;
    let into = place.folder("app");
    place
        .blobs
        .unpack_package(&blob.sha256, &into, None)
        .await
        .unwrap_err();
    assert!(listing(&into).is_empty());
}

#[tokio::test]
async fn too_many_entries() {
    let zip = (0..12_001).fold(Crafted::default(), |zip, number| {
        zip.file(&format!("f{number}"), b"")
    });
    check(
        zip.finish(),
        "the number of files in the package is larger than the limit of 12000",
    )
    .await;
}

#[tokio::test]
async fn what_is_no_zip_or_a_damaged_one() {
    check(b"hello".to_vec(), "not a zip archive").await;
    check(Vec::new(), "not a zip archive").await;
}

#[tokio::test]
async fn a_damaged_entry() {
    let mut zip = Crafted::default().entry(b"a", FILE, b"content").finish();
    let at = zip
        .windows(7)
        .position(|window| window == b"content")
        .unwrap();
    zip[at] ^= 1;
    check(zip, "\"a\" cannot be unpacked").await;
}

#[tokio::test]
async fn an_upload_that_is_too_large() {
    let place = Place::new();
    let endless = tokio::io::repeat(7);
    let refused = place.blobs.put(endless).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the upload is larger than the limit of 8 MiB"
    );
    place.assert_tidy();
}
