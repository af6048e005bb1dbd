//! Sockets on the host, which never block.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use nix::{
    libc,
    sys::socket::{
        AddressFamily, MsgFlags, Shutdown, SockFlag, SockProtocol, SockType, SockaddrStorage,
        connect, getsockopt, recv, send, setsockopt, shutdown, socket,
        sockopt::{KeepAlive, Linger, SocketError, TcpNoDelay},
    },
};

/// A connection under way to `to`.
pub(super) fn stream(to: SocketAddr) -> io::Result<OwnedFd> {
    let socket = open(to.ip(), SockType::Stream, None)?;
    // Packets leave when the app writes, as they would without us.
    setsockopt(&socket, TcpNoDelay, &true)?;
    setsockopt(&socket, KeepAlive, &true)?;
    begin(&socket, to)?;
    Ok(socket)
}

/// A socket whose datagrams go to `to` and come from there.
pub(super) fn datagrams(to: SocketAddr) -> io::Result<OwnedFd> {
    let socket = open(to.ip(), SockType::Datagram, None)?;
    begin(&socket, to)?;
    Ok(socket)
}

/// A socket for pings of `to`.
///
/// # Errors
/// Where the host does not let us (`net.ipv4.ping_group_range`).
pub(super) fn pings(to: IpAddr) -> io::Result<OwnedFd> {
    let protocol = match to {
        IpAddr::V4(_) => SockProtocol::Icmp,
        IpAddr::V6(_) => SockProtocol::IcmpV6,
    };
    let socket = open(to, SockType::Datagram, Some(protocol))?;
    begin(&socket, SocketAddr::new(to, 0))?;
    Ok(socket)
}

fn open(to: IpAddr, kind: SockType, protocol: Option<SockProtocol>) -> io::Result<OwnedFd> {
    let family = match to {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    Ok(socket(family, kind, flags, protocol)?)
}

fn begin(socket: &OwnedFd, to: SocketAddr) -> io::Result<()> {
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) => Ok(()),
        Err(error) if error as i32 == libc::EINPROGRESS => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What has become of a connection that was under way: 0, or why it failed.
pub(super) fn outcome(socket: &impl AsFd) -> i32 {
    getsockopt(&socket.as_fd(), SocketError).unwrap_or_else(|error| error as i32)
}

pub(super) fn write(socket: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    Ok(send(socket.as_fd().as_raw_fd(), bytes, flags)?)
}

pub(super) fn read(socket: &impl AsFd, into: &mut [u8]) -> io::Result<usize> {
    Ok(recv(
        socket.as_fd().as_raw_fd(),
        into,
        MsgFlags::MSG_DONTWAIT,
    )?)
}

/// Nothing more will be written.
pub(super) fn finish(socket: &impl AsFd) {
    let _ = shutdown(socket.as_fd().as_raw_fd(), Shutdown::Write);
}

/// Lets the other end know that this was no orderly end.
pub(super) fn reset(socket: &OwnedFd) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let _ = setsockopt(socket, Linger, &linger);
}

/// Whether it is only a matter of time.
pub(super) fn later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
