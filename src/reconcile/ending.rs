//! Ending everything: the daemon's person at the terminal wants their machine back.

use std::{sync::Arc, time::Duration};

use super::handle::Handle;
use crate::{
    drivers::{Drivers, Phase},
    stdx::clock::Clock,
};

impl Handle {
    /// Stops reconciling, then every instance, each with `grace` between SIGTERM and SIGKILL.
    /// Returns when all have ended, their last words are in the log and nothing is left of
    /// them; the next daemon starts them anew.
    pub async fn stop_with_instances(&self, clock: &Clock, grace: Duration) {
        // First, so that nothing is started again.
        self.tasks.stop().await;
        let mut changes = self.drivers.changes();
        for instance in self.drivers.observe(clock.now()) {
            self.drivers
                .stop(instance.instance, grace, None, (Arc::new(|| false), None));
        }
        while any_alive(&self.drivers, clock) {
            if changes.changed().await.is_err() {
                break;
            }
        }
        self.drivers.forget_all().await;
        self.drivers.shut_down().await;
    }
}

fn any_alive(drivers: &Drivers, clock: &Clock) -> bool {
    let instances = drivers.observe(clock.now());
    instances
        .iter()
        .any(|instance| !matches!(instance.phase, Phase::Ended { .. }))
}
