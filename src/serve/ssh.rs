//! The way into instances by SSH, where it is offered.

use super::config::Config;
use crate::{
    ssh::{self, Deps, Door},
    wire::platform::Ssh,
};

/// Opens the door that the configuration asks for. A platform whose apps run is worth more than
/// none, so a port that is taken, as on a laptop with two platforms, is told and no more.
pub(super) async fn open(config: &Config, deps: Deps) -> Option<Door> {
    let config = ssh::Config {
        listen: config.ssh.address()?,
        dir: config.state_dir.join("ssh"),
    };
    match Door::open(&config, deps).await {
        Ok(door) => Some(door),
        Err(error) => {
            let error = anyhow::Error::from(error);
            tracing::warn!("there is no cf ssh: {error:#} (listen.ssh)");
            None
        }
    }
}

/// What clients are told of it.
pub(super) fn offered(config: &Config, door: &Door) -> Ssh {
    let address = config.external_ssh.as_ref();
    Ssh {
        address: address.map(|address| address.as_str().to_owned()),
        port: door.address().port(),
        fingerprint: door.fingerprint().to_owned(),
    }
}
