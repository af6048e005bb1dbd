//! The way into instances by SSH: `cf ssh`, `ssh`, `scp`, `sftp` and `-L`, as Cloud Foundry's SSH
//! proxy has it. Who comes names a process and an instance, and shows a one-time code for a
//! password; what they start runs in the instance's own sandbox, and what they forward ends
//! there. Nothing of it reaches the host.
//!
//! Who comes under their own name and with their own password pushes by git, and that alone.

mod channel;
mod connection;
mod door;
mod entry;
mod forward;
mod gate;
mod key;
mod pump;
mod pusher;

pub use door::{Door, DoorError};
pub use key::KeyError;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use crate::{actions::Actions, drivers::Drivers, git::Git, identity::Identity, stdx::clock::Clock};

/// Where the server listens and keeps what is its own.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The folder of the host key; made if it is not there.
    pub dir: PathBuf,
}

/// What the server works with.
#[derive(Debug, Clone)]
pub struct Deps {
    /// Who may come, and where it is written down that they did.
    pub actions: Actions,
    /// Whose a code is.
    pub identity: Identity,
    /// Where instances are.
    pub drivers: Drivers,
    /// Takes pushes.
    pub git: Git,
    /// What time it is for them.
    pub clock: Clock,
}

/// Shared by all connections.
type Shared = Arc<Deps>;
