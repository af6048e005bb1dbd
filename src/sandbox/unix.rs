//! Unix sockets in folders whose path may be longer than a socket's address.

use std::{
    fs::File,
    io,
    os::{fd::AsRawFd, unix::net::UnixStream as Blocking},
    path::Path,
};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect as connect_to, socket,
};
use tokio::net::UnixStream;

/// Connects to the socket `name` in `dir`, at once or not at all: where nobody accepts for so
/// long that the queue is full, it is an error and not a wait.
pub(super) fn connect(dir: &Path, name: &str) -> io::Result<UnixStream> {
    UnixStream::from_std(open(dir, name)?)
}

/// As [`connect`], without a runtime: a socket that does not block.
pub(super) fn open(dir: &Path, name: &str) -> io::Result<Blocking> {
    let folder = File::open(dir)?;
    let address = UnixAddr::new(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()).as_str())?;
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect_to(socket.as_raw_fd(), &address)?;
    Ok(Blocking::from(socket))
}
