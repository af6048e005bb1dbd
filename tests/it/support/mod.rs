//! What the tests from outside share: a real daemon in a folder of its own, the stock `cf`
//! command line and our own against it, the API by hand, and waiting for conditions.

mod api;
mod cf;
mod daemon;
mod files;
mod leftovers;
mod own;
mod wait;

pub(crate) use api::{Answer, Api};
pub(crate) use cf::{Cf, stock_cf, text};
pub(crate) use daemon::{Daemon, Setup};
pub(crate) use files::{folder, zip};
pub(crate) use leftovers::processes_with;
pub(crate) use own::Own;
pub(crate) use wait::{PATIENCE, eventually, soon, until};

use std::path::{Path, PathBuf};

/// The binary under test.
pub(crate) fn pastina() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_pastina"))
}

/// An example's folder.
pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
