//! The way out of a sandbox with [`Network::Tunnel`](super::Network::Tunnel).

mod address;
mod bucket;
mod device;
mod keeper;
mod message;
mod netlink;
mod policy;
pub mod process;
mod traffic;
mod written;

pub(super) use address::RESOLVER;
pub(super) use device::{MAKER, make};
pub(super) use keeper::{Keeper, Rights};
pub(super) use traffic::read as traffic;
pub(super) use written::write;

/// Bytes before every packet on the device: `struct virtio_net_hdr`.
const HEADER: usize = 10;

/// The argument that makes the program this process.
pub(super) const ROLE: &str = "sandbox-net";
