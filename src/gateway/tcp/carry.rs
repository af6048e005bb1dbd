//! One connection of a TCP route, from its client to an instance.

use std::net::SocketAddr;

use tokio::{io::copy_bidirectional, net::TcpStream, time::timeout};

use super::port::Port;
use crate::{
    gateway::exchange::Held,
    routing::{Cursor, Entry, Target, choose},
};

/// How many instances are tried, as for requests.
const ATTEMPTS: usize = 3;

/// Carries bytes both ways until both sides have ended; each may end its half alone. Where no
/// instance can be reached, the connection is closed.
pub(super) async fn carry(
    port: &Port,
    entry: &Entry,
    turn: u32,
    mut client: TcpStream,
    peer: SocketAddr,
) {
    let config = &port.shared.config;
    let mut cursor = Cursor::starting_at(turn);
    let mut failed = Vec::new();
    for attempt in 0..ATTEMPTS {
        let Some(backend) = choose(entry, &mut cursor, &failed) else {
            break;
        };
        let Target::Sandbox { dir, port: to, .. } = &backend.target else {
            break;
        };
        if attempt > 0 {
            port.counters.retry();
        }
        // Keeps the instance from being ended while it is in use.
        let _held = Held::new(backend, entry.balance);
        port.counters.dial();
        match timeout(config.limits.connect, (config.dial)(dir, *to)).await {
            Ok(Ok(mut instance)) => {
                // Not fatal: packets merely wait to be filled.
                let _ = instance.set_nodelay(true);
                if let Err(error) = copy_bidirectional(&mut client, &mut instance).await {
                    tracing::trace!(%error, %peer, "a connection of a TCP route broke");
                }
                return;
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, instance = %backend.instance, port = to, "cannot connect");
            }
            Err(_) => {
                tracing::debug!(instance = %backend.instance, port = to, "cannot connect in time");
            }
        }
        failed.push(backend.instance);
    }
    tracing::debug!(host = entry.host, %peer, "a TCP route has no instance to connect to");
}
