//! Tells instances what they may reach.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use tokio::{sync::watch, time::sleep};

use super::plan::policies;
use crate::{
    drivers::{Drivers, Instance},
    model::{AppId, InstanceId, NetworkPolicy},
    reconcile::Deps,
    stdx::clock::Clock,
    store::Store,
};

/// Instances that are told side by side; each waits for a file to be written.
const AT_ONCE: usize = 16;
/// Between tries to tell an instance.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest time without a look: what nobody told is found all the same.
const AT_LEAST: Duration = Duration::from_secs(60);

/// Tells instances until its task is stopped.
pub(in crate::reconcile) async fn run(deps: Deps) {
    let mut bandwidth = deps.bandwidth.clone();
    let mut teller = Teller {
        bandwidth: deps.bandwidth,
        store: deps.store,
        drivers: deps.drivers,
        clock: deps.clock,
        worked_out: BTreeMap::new(),
        told: HashMap::new(),
    };
    let mut store = teller.store.watch();
    let mut drivers = teller.drivers.changes();
    loop {
        store.borrow_and_update();
        drivers.borrow_and_update();
        bandwidth.borrow_and_update();
        let wait = if teller.pass().await { AT_LEAST } else { AGAIN };
        if !any_change(&mut store, &mut drivers, &mut bandwidth, wait).await {
            return;
        }
    }
}

/// Waits for a change, but not for long; false where there will be none any more.
async fn any_change(
    store: &mut watch::Receiver<u64>,
    drivers: &mut watch::Receiver<u64>,
    bandwidth: &mut watch::Receiver<Option<u64>>,
    wait: Duration,
) -> bool {
    // All of them only wait, so any can be dropped half-way.
    tokio::select! {
        changed = store.changed() => changed.is_ok(),
        changed = drivers.changed() => changed.is_ok(),
        // Where nobody can change it, it stays as it is.
        Ok(()) = bandwidth.changed() => true,
        () = sleep(wait) => true,
    }
}

struct Teller {
    store: Store,
    drivers: Drivers,
    clock: Clock,
    bandwidth: watch::Receiver<Option<u64>>,
    /// What each app may reach, as it was worked out last.
    worked_out: BTreeMap<AppId, Arc<NetworkPolicy>>,
    /// What each instance was told last.
    told: HashMap<InstanceId, Arc<NetworkPolicy>>,
}

impl Teller {
    /// Tells every instance that knows something else; true where all of them know.
    async fn pass(&mut self) -> bool {
        let mut instances = self.drivers.observe(self.clock.now());
        instances.retain(|instance| instance.phase.is_live());
        let state = self.store.state();
        let now = policies(&state, &instances, *self.bandwidth.borrow());
        drop(state);
        self.worked_out = now
            .into_iter()
            .map(|(app, policy)| {
                let same = self.worked_out.remove(&app).filter(|was| **was == policy);
                (app, same.unwrap_or_else(|| Arc::new(policy)))
            })
            .collect();
        self.tell(&instances).await
    }

    async fn tell(&mut self, instances: &[Instance]) -> bool {
        let mut told = HashMap::with_capacity(instances.len());
        let mut news = Vec::new();
        for instance in instances {
            // What has not been started far enough has its first policy with it.
            let Some(policy) = self.worked_out.get(&instance.app) else {
                continue;
            };
            if instance.backend.is_none() {
                continue;
            }
            match self.told.remove(&instance.instance) {
                Some(knows) if Arc::ptr_eq(&knows, policy) => {
                    told.insert(instance.instance, knows);
                }
                _ => news.push((instance.instance, Arc::clone(policy))),
            }
        }
        let drivers = &self.drivers;
        let outcomes: Vec<_> = stream::iter(news)
            .map(|(instance, policy)| async move {
                let outcome = drivers.set_network(instance, &policy).await;
                (instance, policy, outcome)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut all = true;
        for (instance, policy, outcome) in outcomes {
            match outcome {
                Ok(()) => {
                    told.insert(instance, policy);
                }
                Err(error) => {
                    all = false;
                    tracing::error!(%instance, %error, "cannot tell an instance what it may reach");
                }
            }
        }
        self.told = told;
        all
    }
}
