//! Who comes, and to which instance.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use super::Shared;
use crate::{
    actions::{ActionError, SshPlace},
    drivers::{Backend, Instance, Phase},
    identity::LoginError,
    logs::{Line, Stream},
    model::ProcessId,
    wire::platform::SSH_CLIENT,
};

/// An instance as a user name says it: `cf:<process>/<index>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) process: ProcessId,
    pub(super) index: u32,
}

/// Whether a user name means an instance, and not a person.
pub(super) fn is_instance(user: &str) -> bool {
    user.starts_with("cf:")
}

impl Wanted {
    pub(super) fn parse(user: &str) -> Option<Self> {
        let (process, index) = user.strip_prefix("cf:")?.split_once('/')?;
        Some(Self {
            process: process.parse().ok()?,
            index: index.parse().ok()?,
        })
    }
}

/// Somebody who was let in.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) wanted: Wanted,
    pub(super) place: Arc<SshPlace>,
    pub(super) from: SocketAddr,
}

/// Lets the owner of `code` in, where they may.
pub(super) async fn enter(
    shared: &Shared,
    user: &str,
    code: &str,
    from: SocketAddr,
) -> Option<Guest> {
    let now = shared.actions.now();
    let who = (user, from.ip());
    let known = shared
        .identity
        .redeem_code_of(code, SSH_CLIENT, who, now)
        .inspect_err(|error| {
            let locked = matches!(error, LoginError::Locked);
            tracing::info!(%from, locked, "somebody came by SSH with a wrong code");
        });
    let (user, wanted) = (known.ok()?, Wanted::parse(user)?);
    let authorized = shared
        .actions
        .authorize_ssh(&user, wanted.process, wanted.index);
    match authorized.await {
        Ok(place) => Some(Guest {
            wanted,
            place: Arc::new(place),
            from,
        }),
        Err(error @ ActionError::Store(_)) => {
            tracing::error!(%error, "cannot write down who comes by SSH");
            None
        }
        Err(error) => {
            tracing::info!(%from, user = %user.username, %error, "somebody may not come by SSH");
            None
        }
    }
}

impl Guest {
    /// The folder of the instance's sandbox; in words for the user where there is none.
    pub(super) fn sandbox(&self, shared: &Shared) -> Result<PathBuf, String> {
        let Wanted { process, index } = self.wanted;
        let here = |instance: &Instance| {
            instance.slot.process == process
                && instance.slot.index == index
                && matches!(
                    instance.phase,
                    Phase::Starting { .. } | Phase::Running { .. } | Phase::Failing { .. }
                )
        };
        let found = shared.drivers.observe(shared.clock.now());
        // While one takes the place of another, the one that serves.
        let running = |instance: &&Instance| matches!(instance.phase, Phase::Running { .. });
        let mut here = found.iter().filter(|instance| here(instance));
        let first = here.clone().find(running).or_else(|| here.next());
        match first.map(|instance| &instance.backend) {
            Some(Some(Backend::Sandbox { dir })) => Ok(dir.clone()),
            Some(Some(Backend::Static { .. })) => Err(
                "this app is files that the platform serves itself: no process of it runs, so \
                 there is nothing to enter"
                    .to_owned(),
            ),
            Some(None) => Err(format!(
                "instance {index} has not been started yet; try again"
            )),
            None => Err(format!("instance {index} does not run")),
        }
    }

    /// Says in the app's log that somebody comes or goes.
    pub(super) fn note(&self, shared: &Shared, text: &str) {
        shared.actions.logs.append(Line {
            at_ns: shared.clock.wall_ns(),
            app: self.place.app,
            source: "CELL/SSHD".to_owned(),
            instance: self.wanted.index.to_string(),
            process: Some((self.wanted.process, self.place.process_type.clone())),
            stream: Stream::Out,
            text: format!("{text} {}", self.from).into_bytes().into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_says_which_instance() {
        let process = ProcessId::random();
        let wanted = Wanted { process, index: 3 };
        assert_eq!(Wanted::parse(&format!("cf:{process}/3")), Some(wanted));
        for bad in ["", "root", "cf:x/0", "cf:/0"] {
            assert_eq!(Wanted::parse(bad), None, "{bad}");
        }
        for bad in [
            format!("cf:{process}"),
            format!("cf:{process}/-1"),
            format!("{process}/0"),
        ] {
            assert_eq!(Wanted::parse(&bad), None, "{bad}");
        }
    }
}
