//! Connections into a sandbox.

use std::{io, path::Path};

use tokio::io::{AsyncWriteExt, Interest};

use super::{
    protocol::{Answer, CONNECT, Request, Transport},
    sys, unix,
};

/// Opens a TCP connection to `127.0.0.1:port` inside the sandbox whose folder is `dir`, or to
/// `[::1]:port` where nobody listens there.
///
/// Waits as long as the connection does; give it a timeout. Dropping it half-way is safe.
///
/// # Errors
/// What `connect(2)` said inside, or that the sandbox is gone.
pub async fn dial(dir: &Path, port: u16) -> io::Result<tokio::net::TcpStream> {
    let mut init = unix::connect(dir, CONNECT)?;
    let request = Request {
        port,
        transport: Transport::Tcp,
    };
    init.write_all(&request.to_bytes()).await?;
    let mut answer = [0; Answer::SIZE];
    let received = init
        .async_io(Interest::READABLE, || sys::receive(&init, &mut answer))
        .await?;
    if received.len != Answer::SIZE {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match (Answer::from_bytes(answer), received.passed) {
        (Answer(0), Some(socket)) => {
            let stream = std::net::TcpStream::from(socket);
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            tokio::net::TcpStream::from_std(stream)
        }
        (Answer(0), None) => Err(io::ErrorKind::InvalidData.into()),
        (Answer(errno), _) => Err(io::Error::from_raw_os_error(errno)),
    }
}
