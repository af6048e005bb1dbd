//! Stages the examples, and apps that go wrong, for real; what came of an example is started
//! in a sandbox as the platform starts it, and asked.
//!
//! Run as root, what needs no registry is done twice: as root, and in a child that is an
//! ordinary user.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod examples;
mod mistakes;
mod place;

use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
};

use place::{EXAMPLES, PROGRAM, examples, is_root, program};

#[test]
fn builds_work_for_an_ordinary_user_too() {
    if !is_root() {
        return;
    }
    const USER: u32 = 1501;
    let copies = tempfile::tempdir().unwrap();
    std::fs::set_permissions(copies.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = |from: &Path| {
        let to = copies.path().join(from.file_name().unwrap());
        let copied = std::process::Command::new("cp")
            .arg("-r")
            .args([from, &to])
            .status();
        assert!(copied.unwrap().success());
        to
    };
    let scratch = copies.path().join("tmp");
    std::fs::create_dir(&scratch).unwrap();
    std::os::unix::fs::chown(&scratch, Some(USER), Some(USER)).unwrap();
    let result = std::process::Command::new(copy(&std::env::current_exe().unwrap()))
        .args(["build::", "--test-threads", "2"])
        // What takes long or needs a registry.
        .args(["flask", "express", "the_go", "the_java"].map(|name| format!("--skip={name}")))
        .env(PROGRAM, copy(&program()))
        .env(EXAMPLES, copy(&examples()))
        .env("TMPDIR", scratch)
        .env("RUST_BACKTRACE", "0")
        .current_dir("/")
        .uid(USER)
        .gid(USER)
        .output()
        .unwrap();
    assert!(
        result.status.success(),
        "{}",
        String::from_utf8_lossy(&result.stdout)
    );
}
