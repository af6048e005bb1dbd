//! What the tests from outside share: a real daemon in a folder of its own, the stock `cf`
//! CLI and our own against it, and waiting for conditions.

mod cf;
mod daemon;
mod wait;

pub use cf::Cf;
pub use daemon::Daemon;
pub use wait::{eventually, eventually_within};

use std::path::{Path, PathBuf};

/// The binary under test.
pub fn pastina() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_pastina"))
}

/// An example's folder.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}
