//! The same without root.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command,
};

use super::support::{PROGRAM, is_root};

#[test]
fn all_of_it_holds_for_an_ordinary_user_too() {
    if !is_root() {
        return;
    }
    const USER: u32 = 1500;
    let copies = tempfile::tempdir().unwrap();
    fs::set_permissions(copies.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = |from: &Path| {
        let to = copies.path().join(from.file_name().unwrap());
        fs::copy(from, &to).unwrap();
        to
    };
    let tests = copy(&std::env::current_exe().unwrap());
    let program = copy(Path::new(env!("CARGO_BIN_EXE_pastina")));
    let scratch = copies.path().join("tmp");
    fs::create_dir(&scratch).unwrap();
    std::os::unix::fs::chown(&scratch, Some(USER), Some(USER)).unwrap();
    let result = Command::new(tests)
        .args(["sandbox::", "--test-threads", "2"])
        .env(PROGRAM, program)
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
