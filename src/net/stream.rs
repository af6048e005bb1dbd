//! Plain connections, with TLS or without.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{Lookup, NetError, Verify, lookup::bare, tls};

/// A connection, whatever is under it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection to `host:port`, with TLS where it is said how servers are trusted.
///
/// Waits as long as it takes; give it a timeout. Dropping it half-way is safe.
///
/// # Errors
/// [`NetError`] says how far it came.
pub async fn connect(
    lookup: &Lookup,
    verify: Option<&Verify>,
    (host, port): (&str, u16),
) -> Result<Box<dyn Stream>, NetError> {
    let server = format!("{host}:{port}");
    let refused = |source| NetError::Refused {
        server: server.clone(),
        source,
    };
    let failed = |source: std::io::Error| NetError::Connect {
        server: server.clone(),
        source: source.into(),
    };
    // What was looked up is what is connected to: a name cannot lead elsewhere meanwhile.
    let addresses = lookup.addresses(host).await.map_err(refused)?;
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    let mut connected = None;
    for address in addresses {
        match TcpStream::connect((address, port)).await {
            Ok(stream) => {
                connected = Some(stream);
                break;
            }
            Err(error) => last = error,
        }
    }
    let stream = connected.ok_or(last).map_err(failed)?;
    let _ = stream.set_nodelay(true);
    let Some(verify) = verify else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(bare(host).to_owned()).map_err(|error| NetError::Connect {
        server: server.clone(),
        source: error.into(),
    })?;
    let config = tls::client_config(verify)?;
    let connector = TlsConnector::from(Arc::new(config));
    match connector.connect(name, stream).await {
        Ok(secured) => Ok(Box::new(secured)),
        Err(error) => Err(NetError::of_handshake(server, error)),
    }
}
