//! Passes over the instances: one after each change, and when time alone changes something.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep,
};

use super::{
    Config,
    handle::{Command, NoSuchInstance},
    processes::{act, observe::seen, plan, plan::Limits, wanted::wanted},
    routes::Routes,
    status::observed,
    tasks,
};
use crate::{
    build::Room,
    drivers::{Drivers, Instance, Phase, Slot},
    model::{InstanceId, Observed},
    stdx::clock::{Clock, Moment},
    store::Store,
};

/// The longest time without a pass: what nobody told is found all the same.
const AT_LEAST: Duration = Duration::from_secs(60);

/// Makes passes until its task is stopped.
pub(super) struct Driver {
    pub(super) store: Store,
    pub(super) drivers: Drivers,
    pub(super) routes: Routes,
    pub(super) clock: Clock,
    pub(super) config: Arc<Config>,
    pub(super) observed: watch::Sender<Arc<Observed>>,
    /// Memory, of which builds have some.
    pub(super) room: Room,
    /// Most bytes a second of one app's way out.
    pub(super) bandwidth: watch::Receiver<Option<u64>>,
    /// Whether nothing was told yet.
    pub(super) first: bool,
}

impl Driver {
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        if let Err(error) = self.drivers.adopt().await {
            tracing::error!(%error, "cannot look for instances to take over");
        }
        let mut store = self.store.watch();
        let mut drivers = self.drivers.changes();
        let mut room = self.room.changes();
        loop {
            store.borrow_and_update();
            drivers.borrow_and_update();
            room.borrow_and_update();
            let wait = self.pass().await;
            tokio::select! {
                changed = store.changed() => if changed.is_err() {
                    return;
                },
                changed = drivers.changed() => if changed.is_err() {
                    return;
                },
                changed = room.changed() => if changed.is_err() {
                    return;
                },
                () = sleep(wait) => {}
                command = commands.recv() => match command {
                    Some(Command::Terminate { slot, reply }) => self.terminate(slot, reply),
                    None => return,
                },
            }
        }
    }

    /// Observes, plans, acts; how long to wait for the next pass where nothing happens.
    async fn pass(&mut self) -> Duration {
        let state = self.store.state();
        let now = self.clock.now();
        let (tasks, instances) = self.observe(now);
        let wanted = wanted(&state);
        let whole = u64::from(self.config.memory.0);
        let seen = seen(&instances);
        let (plan, task_plan) = self.room.plan_apps(|left_mb| {
            let limits = Limits {
                memory_mb: left_mb.saturating_sub(live_memory(&tasks)),
                starting: self.config.starting,
                grace: self.config.grace,
            };
            let plan = plan::plan(&wanted, &seen, &mut InstanceId::random, &limits, now);
            // Processes come first: what is left to tasks is what no process needs now.
            let processes = live_memory(&instances).saturating_add(plan.starts(&wanted));
            let builds = whole.saturating_sub(left_mb);
            let limits = tasks::plan::Limits {
                memory_mb: whole,
                taken_mb: processes.saturating_add(builds),
                starts: self.config.starting.saturating_sub(starting_now(&tasks)),
                grace: self.config.grace,
            };
            let task_plan = tasks::plan(&state, &tasks, &limits, now);
            let taken = task_plan.memory_mb.saturating_sub(builds);
            ((plan, task_plan), taken)
        });
        if !plan.actions.is_empty() {
            tracing::debug!(plan = %plan, "acting");
        }
        if !task_plan.actions.is_empty() {
            tracing::debug!(plan = %task_plan, "acting on tasks");
        }
        act::stop(
            &plan.actions,
            (&wanted, &instances),
            &self.drivers,
            &self.routes,
        );
        tasks::stop(&task_plan, &self.drivers);
        // Once more: what was just asked to stop must not be routed to.
        let (_, instances) = self.observe(now);
        self.routes.publish(&state, &instances);
        let told = observed(&wanted, &instances, &plan.held, now);
        let first = std::mem::take(&mut self.first);
        self.observed.send_if_modified(|before| {
            let other = first || **before != told;
            if other {
                *before = Arc::new(told);
            }
            other
        });
        let wake = [plan.next_wake_ms, task_plan.next_wake_ms];
        let bandwidth = *self.bandwidth.borrow();
        let seen = (instances.as_slice(), bandwidth);
        act::perform(plan.actions, seen, &self.store, &self.drivers).await;
        tasks::perform(task_plan, seen, &self.store, &self.drivers, now).await;
        wake.into_iter().flatten().min().map_or(AT_LEAST, |at_ms| {
            let ms = at_ms
                .saturating_sub(self.clock.now().steady_ms)
                .saturating_add(1);
            Duration::from_millis(ms).min(AT_LEAST)
        })
    }

    /// The instances of tasks, and those of processes.
    fn observe(&self, now: Moment) -> (Vec<Instance>, Vec<Instance>) {
        let all = self.drivers.observe(now).into_iter();
        all.partition(|instance| instance.task.is_some())
    }

    /// Replaces the instance in a slot: stops it, and the next pass starts another one.
    fn terminate(&self, slot: Slot, reply: oneshot::Sender<Result<(), NoSuchInstance>>) {
        let instances = self.drivers.observe(self.clock.now());
        let mut found = Err(NoSuchInstance(slot));
        for instance in instances.iter().filter(|instance| instance.slot == slot) {
            found = Ok(());
            if instance.phase.is_live() {
                let busy = self.routes.busy(instance.instance);
                self.drivers
                    .stop(instance.instance, self.config.grace, None, (busy, None));
            } else if instance.reported {
                self.drivers.forget(instance.instance);
            }
        }
        // Whoever asked may have gone away.
        let _ = reply.send(found);
    }
}

/// What all that lives takes, in mebibytes.
fn live_memory(instances: &[Instance]) -> u64 {
    let live = instances.iter().filter(|one| one.phase.is_live());
    live.map(|one| one.memory_mb).sum()
}

/// How many are starting.
fn starting_now(instances: &[Instance]) -> usize {
    let starting = |one: &&Instance| matches!(one.phase, Phase::Starting { .. });
    instances.iter().filter(starting).count()
}
