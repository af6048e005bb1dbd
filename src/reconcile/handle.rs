//! What others may ask of the reconciler.

use tokio::sync::{mpsc, oneshot};

use crate::{
    drivers::{Drivers, Slot},
    model::ProcessId,
    stdx::tasks::Tasks,
};

/// There is no such instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing is in slot {0}")]
pub struct NoSuchInstance(pub Slot);

/// What can be asked that is not a change of desired state.
#[derive(Debug)]
pub(super) enum Command {
    Terminate {
        slot: Slot,
        reply: oneshot::Sender<Result<(), NoSuchInstance>>,
    },
}

/// The handle on the running reconciler; clones share it.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) tasks: Tasks,
    pub(super) drivers: Drivers,
}

impl Handle {
    /// Replaces the instance in slot `index` of `process` by a new one; returns when it was
    /// asked to stop.
    ///
    /// # Errors
    /// Where nothing is in that slot.
    pub async fn terminate(&self, process: ProcessId, index: u32) -> Result<(), NoSuchInstance> {
        let slot = Slot { process, index };
        let (reply, answer) = oneshot::channel();
        let asked = self.commands.send(Command::Terminate { slot, reply }).await;
        if asked.is_err() {
            return Err(NoSuchInstance(slot));
        }
        answer.await.unwrap_or(Err(NoSuchInstance(slot)))
    }

    /// Stops reconciling. What runs goes on running, and the next daemon takes it over; builds
    /// are stopped, and it runs them again.
    pub async fn stop(&self) {
        self.tasks.stop().await;
        self.drivers.shut_down().await;
    }
}
