//! Where the program and the examples are, here or where the tests run from a copy.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

/// Name the program and the examples where the tests run from a copy, as another user or on
/// another machine.
const PROGRAM: &str = "PASTINA_TEST_PROGRAM";
const EXAMPLES: &str = "PASTINA_TEST_EXAMPLES";

/// The binary under test.
pub(crate) fn program() -> PathBuf {
    std::env::var_os(PROGRAM).map_or_else(|| env!("CARGO_BIN_EXE_pastina").into(), PathBuf::from)
}

/// The folder of the examples.
pub(crate) fn examples() -> PathBuf {
    let here = || Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    std::env::var_os(EXAMPLES).map_or_else(here, PathBuf::from)
}

/// An example's folder.
pub(crate) fn example(name: &str) -> PathBuf {
    examples().join(name)
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Runs the tests that `arguments` name again, from a copy, as the ordinary user `user`, and
/// asserts that they pass; `environment` is told to them, too. Does nothing where the tests run as such a user already.
#[track_caller]
pub(crate) fn pass_as_user(user: u32, arguments: &[&str], environment: &[(&str, String)]) {
    if !is_root() {
        return;
    }
    let copies = tempfile::tempdir().unwrap();
    fs::set_permissions(copies.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = |from: &Path| {
        let to = copies.path().join(from.file_name().unwrap());
        let copied = Command::new("cp").arg("-r").args([from, &to]).status();
        assert!(copied.unwrap().success());
        to
    };
    let scratch = copies.path().join("tmp");
    fs::create_dir(&scratch).unwrap();
    std::os::unix::fs::chown(&scratch, Some(user), Some(user)).unwrap();
    let result = Command::new(copy(&std::env::current_exe().unwrap()))
        .args(["--test-threads", "2"])
        .args(arguments)
        .env(PROGRAM, copy(&program()))
        .env(EXAMPLES, copy(&examples()))
        .env("TMPDIR", scratch)
        .env("RUST_BACKTRACE", "0")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .uid(user)
        .gid(user)
        .output()
        .unwrap();
    assert!(
        result.status.success(),
        "{}",
        String::from_utf8_lossy(&result.stdout)
    );
}
