//! What unpacking makes, and what it refuses.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::fs::{getxattr, lgetxattr};

use super::*;

fn made(layer: Crafted) -> (tempfile::TempDir, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let tar = layer.tar();
    unpacked(&tar, &id_of(&tar), dir.path()).unwrap();
    let found = tree(dir.path());
    (dir, found)
}

#[test]
fn files_links_and_whiteouts_are_made() {
    let (dir, found) = made(
        Crafted::new()
            .folder("./")
            .folder("./bin/")
            .file("bin/sh", "program")
            .hard_link("bin/ash", "bin/sh")
            .hard_link("bin/sh", "bin/sh")
            .link("sbin", "bin")
            .link("out", "/etc/passwd")
            .file("/etc/absolute", "inside")
            .file("deep/er/still", "made")
            .file(".wh.gone", "")
            .file("etc/.wh..wh..opq", "")
            .file(".wh..wh.plnk", "")
            .file("twice", "first")
            .file("twice", "second"),
    );
    let expected = [
        "bin/",
        "bin/ash \"program\"",
        "bin/sh \"program\"",
        "deep/",
        "deep/er/",
        "deep/er/still \"made\"",
        "etc/",
        "etc/absolute \"inside\"",
        "gone gone",
        "out -> /etc/passwd",
        "sbin -> bin",
        "twice \"second\"",
    ];
    assert_eq!(found, expected);
    let node = |name: &str| fs::symlink_metadata(dir.path().join(name)).unwrap();
    assert_eq!(node("bin/sh").ino(), node("bin/ash").ino());
    assert_eq!(node("gone").rdev(), 0);
    assert_eq!(node("bin/sh").mtime(), 1_700_000_000);
    let mut value = [0; 4];
    let path = dir.path().join("etc");
    let length = lgetxattr(path, "user.overlay.opaque", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"y");
}

#[test]
fn nothing_brings_rights() {
    let (dir, _) = made(
        Crafted::new()
            .add("setuid", EntryType::Regular, 0o6755, "", b"")
            .add("sticky", EntryType::Directory, 0o7777, "", b"")
            .add("dev/kmsg", EntryType::Char, 0o666, "", b"")
            .pax(&[
                ("SCHILY.xattr.user.note", "kept"),
                ("SCHILY.xattr.security.capability", "\u{1}all"),
                ("SCHILY.xattr.trusted.overlay.opaque", "y"),
                ("SCHILY.xattr.user.overlay.redirect", "/elsewhere"),
            ])
            .file("noted", "x"),
    );
    let mode = |name: &str| {
        let found = fs::symlink_metadata(dir.path().join(name)).unwrap();
        found.permissions().mode() & 0o7777
    };
    assert_eq!(mode("setuid"), 0o755);
    assert_eq!(mode("sticky"), 0o1777);
    assert!(!dir.path().join("dev").exists());
    let mut value = [0; 64];
    let path = dir.path().join("noted");
    let kept = |name: &str| getxattr(&path, name, &mut [0; 64][..]).is_ok();
    assert_eq!(getxattr(&path, "user.note", &mut value[..]), Ok(4));
    assert!(!kept("security.capability"));
    assert!(!kept("user.overlay.redirect"));
}

#[test]
fn what_a_whiteout_hides_stays_hidden() {
    let opaque = |dir: &tempfile::TempDir| {
        let path = dir.path().join("d");
        lgetxattr(path, "user.overlay.opaque", &mut [0; 4][..]).is_ok()
    };
    let (dir, found) = made(Crafted::new().file(".wh.d", "").file("d/new", "x"));
    assert!(opaque(&dir), "{found:?}");
    let (dir, found) = made(Crafted::new().file("d/new", "x").file(".wh.d", ""));
    assert!(opaque(&dir), "{found:?}");
    let (_, found) = made(Crafted::new().file(".wh.f", "").file("f", "new"));
    assert_eq!(found, ["f \"new\""]);
    let (_, found) = made(Crafted::new().file("f", "new").file(".wh.f", ""));
    assert_eq!(found, ["f \"new\""]);
}

/// Unpacks it beside a neighbour, which must not change, and gives what was said.
fn refusal(tar: &[u8], id: &LayerId) -> String {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("a/root");
    fs::create_dir_all(&root).unwrap();
    fs::write(dir.path().join("a/neighbour"), "as it was").unwrap();
    let error = unpacked(tar, id, &root).unwrap_err();
    crate::stdx::removal::remove_tree(&root).unwrap();
    assert_eq!(tree(dir.path()), ["a/", "a/neighbour \"as it was\""]);
    let mut text = error.to_string();
    if let Some(cause) = std::error::Error::source(&error) {
        text = format!("{text}: {cause}");
    }
    text
}

#[test]
fn hostile_layers_are_refused() {
    let check = |layer: Crafted, words: &str| {
        let tar = layer.tar();
        let said = refusal(&tar, &id_of(&tar));
        assert!(said.contains(words), "{said}");
    };
    let new = Crafted::new;
    check(new().file("../neighbour", "x"), "climbs out");
    check(new().file("a/../../neighbour", "x"), "climbs out");
    check(new().folder("../more"), "climbs out");
    check(
        new().link("up", "..").file("up/neighbour", "x"),
        "a link or a file",
    );
    check(new().link("up", "..").folder("up/more"), "a link or a file");
    check(
        new().link("up", "..").file("up/.wh.neighbour", ""),
        "a link or a file",
    );
    check(
        new().link("e", "/etc").file("e/x/y", "x"),
        "a link or a file",
    );
    check(
        new().file("f", "x").file("f/below", "x"),
        "a link or a file",
    );
    check(new().hard_link("mine", "../neighbour"), "climbs out");
    check(new().hard_link("mine", "/etc/passwd"), "is not there");
    check(
        new().link("up", "..").hard_link("mine", "up/neighbour"),
        "is not there",
    );
    check(new().folder("d").hard_link("mine", "d"), "is not there");
    check(new().file("d/x", "x").file("d", "x"), "twice");
    check(
        new().add("sda", EntryType::Block, 0o666, "", b""),
        "is a device",
    );
    check(
        new().add("odd", EntryType::new(b'Z'), 0o666, "", b""),
        "is a device",
    );
    check(new().link("nowhere", ""), "nowhere");
    check(new().file(".wh...", ""), "no name");
    check(new().file(".wh.", ""), "no name");
    check(new().file("big", &"x".repeat(2 << 20)), "limit of 1 MiB");
    let many = (0..101).fold(new(), |layer, n| layer.file(&format!("f{n}"), ""));
    check(many, "limit of 100");
    check(new().pax(&[("size", "1")]).file("f", "four"), "two sizes");
    check(
        new().pax(&[("path", &"n/".repeat(1600))]).file("f", ""),
        "too long a name",
    );
    check(
        new().pax(&[("path", &"n".repeat(300))]).file("f", ""),
        "too long a name",
    );
    check(
        new().pax(&[("path", &"n/".repeat(200))]).file("f", ""),
        "folders deep",
    );
    check(
        new().pax(&[("GNU.sparse.major", "1")]).file("f", ""),
        "sparse",
    );
    check(new().pax(&[("path", "a\0b")]).file("f", ""), "NUL");
    check(new().pax(&[("uid", "many")]).file("f", ""), "not a number");
    let attributes: Vec<_> = (0..65).map(|n| format!("SCHILY.xattr.user.n{n}")).collect();
    let attributes: Vec<_> = attributes.iter().map(|name| (name.as_str(), "x")).collect();
    check(new().pax(&attributes).file("f", ""), "too many attributes");
}

#[test]
fn what_is_no_layer_is_refused() {
    let good = Crafted::new().file("f", &"text ".repeat(1000)).tar();
    let other = id_of(b"another one");
    assert!(refusal(&good, &other).contains("not what the image's configuration says"));
    assert!(refusal(&good[..700], &id_of(&good)).contains("damaged"));
    assert!(refusal(b"<html>no such layer</html>", &id_of(&good)).contains("damaged"));
    assert!(refusal(&[0x55; 4096], &id_of(&good)).contains("damaged"));
    assert!(refusal(b"\x1f\x8bnot really", &id_of(&good)).contains("damaged"));
    let zipped = zstd::encode_all(&good[..], 1).unwrap();
    assert!(refusal(&zipped[..zipped.len() - 4], &id_of(&good)).contains("damaged"));
}

#[test]
fn a_bomb_ends_at_the_limit_whatever_it_is_made_of() {
    // A header that claims a name of 8 GiB, and one after the other without an end.
    let mut long = Header::new_gnu();
    long.set_entry_type(EntryType::GNULongName);
    long.set_size(8 << 30);
    long.set_cksum();
    let said = refusal(long.as_bytes(), &id_of(b""));
    assert!(said.contains("too long"), "{said}");
    let mut endless = Vec::new();
    for _ in 0..4000 {
        let mut global = Header::new_ustar();
        global.set_entry_type(EntryType::XGlobalHeader);
        global.set_size(0);
        global.set_cksum();
        endless.extend_from_slice(global.as_bytes());
    }
    let packed = zstd::encode_all(&endless[..], 1).unwrap();
    let said = refusal(&packed, &id_of(&endless));
    assert!(said.contains("limit of 1 MiB"), "{said}");
    // Zeros after the end of the archive.
    let mut padded = Crafted::new().file("f", "x").tar();
    padded.resize(4 << 20, 0);
    let packed = zstd::encode_all(&padded[..], 1).unwrap();
    let said = refusal(&packed, &id_of(&padded));
    assert!(said.contains("limit of 1 MiB"), "{said}");
}

#[test]
fn the_compression_is_told_by_its_first_bytes() {
    let tar = Crafted::new().file("f", "x").tar();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    for packed in [
        tar.clone(),
        zstd::encode_all(&tar[..], 1).unwrap(),
        gzip.finish().unwrap(),
    ] {
        let dir = tempfile::tempdir().unwrap();
        unpacked(&packed, &id_of(&tar), dir.path()).unwrap();
        assert_eq!(tree(dir.path()), ["f \"x\""]);
    }
}
