//! What a connection carries after it has changed its protocol.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use super::{exchange::Exchange, worker::Alive};

/// Carries bytes both ways until both sides have ended; each may end its half alone.
pub(super) async fn carry(
    client: OnUpgrade,
    backend: OnUpgrade,
    mut exchange: Box<Exchange>,
    alive: Alive,
) {
    match tokio::try_join!(client, backend) {
        Ok((client, backend)) => {
            let (mut client, mut backend) = (TokioIo::new(client), TokioIo::new(backend));
            match copy_bidirectional(&mut client, &mut backend).await {
                Ok((received, sent)) => exchange.tunnelled(received, sent),
                Err(error) => tracing::debug!(%error, "a tunnel broke"),
            }
        }
        Err(error) => tracing::debug!(%error, "a connection did not change its protocol"),
    }
    drop(alive);
}
