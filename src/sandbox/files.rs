//! How many files the platform itself may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the daemon's own limit of open files to what it may have: every connection takes a
/// descriptor or two, and the usual soft limit is 1,024. Where that is refused fewer connections
/// fit; nothing else changes. Sandboxes have limits of their own.
pub fn raise_open_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
