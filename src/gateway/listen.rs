//! Sockets that listen: one a thread for each address.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{Listen, error::GatewayError, holder};

/// Connections that the kernel accepts ahead of us.
const BACKLOG: i32 = 1024;

/// One address, listened at once for every thread.
pub(super) struct Bound {
    /// The address, with the port that the kernel chose where 0 was asked for.
    pub(super) addr: SocketAddr,
    /// A socket for each thread.
    pub(super) sockets: Vec<TcpListener>,
}

/// Listens at `listen` with `count` sockets, among which the kernel divides connections.
pub(super) fn bind(listen: &Listen, count: usize) -> Result<Bound, GatewayError> {
    let fail = |addr, source| failure(addr, listen, source);
    if listen.addr.port() != 0 {
        // Another process of the same user that shares its port, such as a second daemon,
        // would not make the binding fail but take half of the connections. A socket that
        // does not share finds it out.
        open(listen.addr, false).map_err(|source| fail(listen.addr, source))?;
    }
    let mut sockets = Vec::with_capacity(count);
    let mut addr = listen.addr;
    for _ in 0..count {
        let socket = open(addr, true).map_err(|source| fail(addr, source))?;
        addr = socket.local_addr().map_err(|source| fail(addr, source))?;
        sockets.push(socket);
    }
    Ok(Bound { addr, sockets })
}

fn open(addr: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn failure(addr: SocketAddr, listen: &Listen, source: io::Error) -> GatewayError {
    let setting = listen.setting.to_string();
    match source.kind() {
        io::ErrorKind::AddrInUse => GatewayError::PortInUse {
            addr,
            holder: holder::find(addr),
            setting,
        },
        io::ErrorKind::PermissionDenied => GatewayError::PortForbidden { addr, setting },
        _ => GatewayError::Listen {
            addr,
            setting,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(addr: SocketAddr) -> Listen {
        Listen {
            addr,
            setting: "`--http`".into(),
        }
    }

    #[test]
    fn a_port_in_use_is_told_with_its_holder_and_what_to_change() {
        let first = bind(&at("127.0.0.1:0".parse().unwrap()), 2).unwrap();
        assert_eq!(first.sockets[1].local_addr().unwrap(), first.addr);
        let error = bind(&at(first.addr), 1).err().unwrap().to_string();
        assert!(
            error.starts_with(&format!("port {} is in use", first.addr.port())),
            "{error}"
        );
        assert!(
            error.contains(&format!("(process {})", std::process::id())),
            "{error}"
        );
        assert!(error.ends_with("with `--http`"), "{error}");
    }
}
