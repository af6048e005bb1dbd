//! The way out of a sandbox with [`Network::Tunnel`](super::Network::Tunnel).

mod written;

pub(super) use written::write;
