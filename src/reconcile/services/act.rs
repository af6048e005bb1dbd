//! Carries the steps out.

use std::{collections::BTreeMap, time::Duration};

use tokio::{task::JoinSet, time::sleep};

use super::{
    bindings, catalog, instances, orphans,
    plan::{Step, plan},
    route_bindings, work,
};
use crate::{
    model::{BrokerId, Job, JobError, JobId, JobState, Timestamp},
    reconcile::Deps,
    store::{Key, StoreError, Tx},
};

/// The longest time without a pass.
const AT_LEAST: Duration = Duration::from_secs(60);
/// Between tries to write something down.
const AGAIN: Duration = Duration::from_secs(1);

/// Does what there is to do at brokers until its task is stopped.
pub(in crate::reconcile) async fn run(deps: Deps) {
    let mut changes = deps.store.watch();
    let mut busy: BTreeMap<Key, BrokerId> = BTreeMap::new();
    // Dropped with this task, and all calls with it: what they were about stands in the records.
    let mut calls: JoinSet<()> = JoinSet::new();
    let mut keys = BTreeMap::new();
    loop {
        changes.borrow_and_update();
        let now = now(&deps);
        let plan = plan(&deps.store.state(), &busy, now);
        let mut wait = plan.next_at.map_or(AT_LEAST, |at| {
            Duration::from_millis(at.millis().saturating_sub(now.millis()) + 1).min(AT_LEAST)
        });
        for step in plan.steps {
            if let Step::Call(key, broker) = step {
                let task = calls.spawn(call(deps.clone(), key));
                keys.insert(task.id(), key);
                busy.insert(key, broker);
            } else if let Err(error) = work::perform(&deps, step, now).await {
                tracing::error!(%error, ?step, "cannot write down what becomes of a service");
                wait = AGAIN;
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() {
                return;
            },
            Some(ended) = calls.join_next_with_id(), if !calls.is_empty() => {
                let task = match &ended {
                    Ok((task, ())) => *task,
                    Err(error) => error.id(),
                };
                if let Err(error) = ended && error.is_panic() {
                    tracing::error!("a call of a service broker panicked");
                    sleep(AGAIN).await;
                }
                if let Some(key) = keys.remove(&task) {
                    busy.remove(&key);
                }
            }
            () = sleep(wait) => {}
        }
    }
}

/// Asks a broker about one record, and writes down what came of it.
async fn call(deps: Deps, key: Key) {
    match key {
        Key::Broker(id) => catalog::call(&deps, id).await,
        Key::Service(id) => instances::call(&deps, id).await,
        Key::Binding(id) => bindings::call(&deps, id).await,
        Key::RouteBinding(id) => route_bindings::call(&deps, id).await,
        Key::Orphan(id) => orphans::call(&deps, id).await,
        _ => {}
    }
}

pub(super) fn now(deps: &Deps) -> Timestamp {
    Timestamp::from_millis(deps.clock.now().wall_ms)
}

/// Commits `change`, again and again where it cannot be: the broker has answered, and asking it
/// once more for want of a disk would be wrong.
pub(super) async fn write_down(deps: &Deps, change: impl Fn(&mut Tx, Timestamp)) {
    loop {
        let now = now(deps);
        let written = deps.store.commit(|tx| {
            change(tx, now);
            Ok::<_, StoreError>(())
        });
        match written.await {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(%error, "cannot write down what a service broker answered");
                sleep(AGAIN).await;
            }
        }
    }
}

/// Says how a job stands; one that has ended stays so.
pub(super) fn tell(
    tx: &mut Tx,
    job: Option<JobId>,
    outcome: Result<JobState, JobError>,
    now: Timestamp,
) {
    let job = job.and_then(|job| tx.jobs.get(&job));
    let Some(job) = job.filter(|job| !job.state.is_final()) else {
        return;
    };
    let mut job = Job::clone(job);
    match outcome {
        Ok(state) => {
            job.state = state;
            job.updated_at = now;
        }
        Err(error) => job.fail(error, now),
    }
    if job.state.is_final() {
        job.work = None;
    }
    tx.put(job);
}
