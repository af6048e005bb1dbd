//! Unix sockets in folders whose path may be longer than a socket's address.

use std::{
    fs::File,
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

/// Calls `with` with a short path of the file `name` in `dir`.
pub(super) fn short_path<T>(
    dir: &Path,
    name: &str,
    with: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let folder = File::open(dir)?;
    with(&PathBuf::from(format!(
        "/proc/self/fd/{}/{name}",
        folder.as_raw_fd()
    )))
}

/// Connects to the socket `name` in `dir`.
pub(super) fn connect(dir: &Path, name: &str) -> io::Result<tokio::net::UnixStream> {
    let stream = short_path(dir, name, |path| {
        std::os::unix::net::UnixStream::connect(path)
    })?;
    stream.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(stream)
}
