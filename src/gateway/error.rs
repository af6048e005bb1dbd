//! Why a gateway cannot start.

use std::{io, net::SocketAddr};

use super::holder::Holder;

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Something else listens at the address.
    #[error(
        "port {} is in use at {}{}; stop it, or choose another port with {setting}",
        addr.port(), addr.ip(), held_by(holder.as_ref())
    )]
    PortInUse {
        /// The address.
        addr: SocketAddr,
        /// Who holds it, where that can be seen.
        holder: Option<Holder>,
        /// What to change.
        setting: String,
    },
    /// Ports below 1024 need rights that this process lacks.
    #[error(
        "port {} needs more rights than this process has; choose a port from 1024 up with \
         {setting}, or grant CAP_NET_BIND_SERVICE",
        addr.port()
    )]
    PortForbidden {
        /// The address.
        addr: SocketAddr,
        /// What to change.
        setting: String,
    },
    /// The address cannot be listened at.
    #[error("cannot listen at {addr}; check {setting}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What to change.
        setting: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The gateway has no address.
    #[error("the gateway has no address to listen at")]
    NoAddress,
    /// A thread or its runtime could not be made.
    #[error("cannot start a gateway thread")]
    Thread(#[source] io::Error),
}

fn held_by(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => format!(", held by {} (process {})", holder.name, holder.pid),
        None => ", held by a process of another user".to_owned(),
    }
}
