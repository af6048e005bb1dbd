//! A daemon in miniature: the real phases and the real plan around the steps that the drivers
//! take, each of which can be the last before it dies.

use std::time::Duration;

use super::world::{Nature, World};
use crate::{
    drivers::{Happening, Phase},
    model::{Exit, InstanceId},
    reconcile::processes::plan::{Action, Hold, Plan, Seen, plan},
};

/// A step that the drivers take after the pass that asked for it.
#[derive(Debug, Clone)]
enum Errand {
    /// Write down where an instance stands.
    Record(InstanceId),
    Spawn(InstanceId),
    Stop(InstanceId, Duration),
    Forget(InstanceId),
}

#[derive(Debug, Default)]
pub(super) struct Daemon {
    started: bool,
    instances: Vec<Seen>,
    errands: Vec<Errand>,
    routes: Vec<InstanceId>,
    plan: Plan,
    pub(super) next_wake_ms: Option<u64>,
}

impl Daemon {
    /// Does what a daemon does between two mishaps.
    pub(super) fn work(&mut self, world: &mut World) {
        if !self.started {
            self.adopt(world);
        }
        self.notice(world, 200);
        if !self.pass(world) || !self.run_errands(world) {
            world.say(|| "the daemon dies at work".to_owned());
            *self = Self::default();
        }
    }

    fn dies(world: &mut World) -> bool {
        world.stormy && world.chance.permille(8)
    }

    fn adopt(&mut self, world: &mut World) {
        self.started = true;
        self.instances = world.records.clone();
        for index in 0..self.instances.len() {
            let seen = &mut self.instances[index];
            seen.phase = seen.phase.clone().adopted(world.now);
            let instance = seen.instance;
            let live = seen.phase.is_live();
            if world.sandbox(instance).is_none() && live {
                self.happens(world, instance, Happening::Interrupted);
            } else if matches!(self.instances[index].phase, Phase::Stopping { .. }) {
                self.errands
                    .push(Errand::Stop(instance, world.limits.grace));
            }
        }
        // What ended meanwhile is known before the first pass.
        self.notice(world, 0);
    }

    fn happens(&mut self, world: &mut World, instance: InstanceId, happening: Happening) {
        let Some(seen) = self
            .instances
            .iter_mut()
            .find(|seen| seen.instance == instance)
        else {
            return;
        };
        if let Some(phase) = seen.phase.after(happening, world.now) {
            world.say(|| format!("{instance} is now {phase:?}"));
            seen.phase = phase;
            world.referee.saw(seen);
            self.errands.push(Errand::Record(instance));
        }
    }

    /// Learns of most of what happened in the world.
    fn notice(&mut self, world: &mut World, late_permille: u64) {
        for index in 0..world.sandboxes.len() {
            if world.stormy && world.chance.permille(late_permille) {
                continue;
            }
            let sandbox = &world.sandboxes[index];
            let instance = sandbox.instance;
            let happening = if let Some(exit) = &sandbox.exit {
                Happening::Exited(exit.clone())
            } else if sandbox.nature == Nature::Sound && sandbox.shows_at_ms <= world.true_ms {
                let known = self.instances.iter().find(|seen| seen.instance == instance);
                let waits = known.is_some_and(|seen| match seen.phase {
                    Phase::Starting { .. } => true,
                    Phase::Running { ready, .. } => !ready && !world.stormy,
                    _ => false,
                });
                if !waits {
                    continue;
                }
                Happening::Healthy {
                    ready: !world.stormy || !world.chance.permille(100),
                }
            } else {
                continue;
            };
            self.happens(world, instance, happening);
        }
    }

    /// One pass of the reconciler; `false` where the daemon died in it.
    fn pass(&mut self, world: &mut World) -> bool {
        for index in 0..self.instances.len() {
            let instance = self.instances[index].instance;
            self.happens(world, instance, Happening::Tick);
        }
        world.referee.pass(&world.wanted);
        self.plan = self.make_plan(world);
        world.say(|| format!("plan:\n{}", self.plan));
        for action in self.plan.actions.clone() {
            if Self::dies(world) {
                return false;
            }
            self.act(world, action);
        }
        self.route();
        true
    }

    fn make_plan(&self, world: &mut World) -> Plan {
        let limits = world.limits;
        let wanted = world.wanted.clone();
        let now = world.now;
        plan(
            &wanted,
            &self.instances,
            &mut || world.fresh_id(),
            &limits,
            now,
        )
    }

    fn act(&mut self, world: &mut World, action: Action) {
        match action {
            Action::Stop {
                instance,
                grace,
                cause,
            } => {
                self.happens(world, instance, Happening::StopWanted(cause));
                self.route();
                self.errands.push(Errand::Stop(instance, grace));
            }
            Action::Report { instance } => {
                for seen in self
                    .instances
                    .iter_mut()
                    .filter(|seen| seen.instance == instance)
                {
                    seen.reported = true;
                }
                self.errands.push(Errand::Record(instance));
            }
            Action::Start {
                slot,
                instance,
                version,
                crashes,
            } => {
                let wanted = world
                    .wanted
                    .iter()
                    .find(|w| w.process == slot.process)
                    .unwrap();
                let seen = Seen {
                    instance,
                    slot,
                    version,
                    crashes,
                    memory_mb: wanted.memory_mb,
                    phase: Phase::Starting { since: world.now },
                    reported: false,
                };
                world.referee.started(slot, version);
                world.records.push(seen.clone());
                self.instances.push(seen);
                self.errands.push(Errand::Spawn(instance));
            }
            Action::Forget { instance } => {
                self.instances.retain(|seen| seen.instance != instance);
                self.errands.push(Errand::Forget(instance));
            }
        }
    }

    fn route(&mut self) {
        let routable = self
            .instances
            .iter()
            .filter(|seen| seen.phase.is_routable());
        self.routes = routable.map(|seen| seen.instance).collect();
    }

    /// Runs errands in their order, some now and some later; `false` where the daemon died.
    fn run_errands(&mut self, world: &mut World) -> bool {
        let count = if world.stormy {
            world.chance.place(self.errands.len() + 3)
        } else {
            usize::MAX
        };
        for errand in self
            .errands
            .drain(..count.min(self.errands.len()))
            .collect::<Vec<_>>()
        {
            if Self::dies(world) {
                return false;
            }
            self.run(world, &errand);
        }
        true
    }

    fn run(&mut self, world: &mut World, errand: &Errand) {
        let known = |instance| {
            self.instances
                .iter()
                .find(move |s: &&Seen| s.instance == instance)
        };
        match *errand {
            Errand::Record(instance) => {
                let record = world
                    .records
                    .iter_mut()
                    .find(|seen| seen.instance == instance);
                if let (Some(seen), Some(record)) = (known(instance), record) {
                    *record = seen.clone();
                }
            }
            Errand::Spawn(instance) => {
                if let Some(seen) = known(instance) {
                    if matches!(seen.phase, Phase::Starting { .. }) {
                        let seen = seen.clone();
                        world.spawn(&seen, false);
                    } else {
                        let exit = Exit::Stopped { killed: false };
                        self.happens(world, instance, Happening::Exited(exit));
                    }
                }
            }
            Errand::Stop(instance, grace) => {
                assert!(
                    !self.routes.contains(&instance),
                    "{instance} is stopped but routed"
                );
                self.run(world, &Errand::Record(instance));
                world.stop(instance, grace);
            }
            Errand::Forget(instance) => {
                world.records.retain(|seen| seen.instance != instance);
                world
                    .sandboxes
                    .retain(|sandbox| sandbox.instance != instance);
            }
        }
    }

    fn pick(&self, world: &mut World) -> Option<InstanceId> {
        let which = world.chance.place(self.instances.len());
        self.instances.get(which).map(|seen| seen.instance)
    }

    /// A liveness check fails.
    pub(super) fn unhealthy_one(&mut self, world: &mut World) {
        if let Some(instance) = self.pick(world) {
            self.happens(world, instance, Happening::Unhealthy("gone quiet".into()));
        }
    }

    /// A readiness check changes its mind.
    pub(super) fn flip_one(&mut self, world: &mut World) {
        let Some(instance) = self.pick(world) else {
            return;
        };
        let seen = self.instances.iter().find(|seen| seen.instance == instance);
        if let Some(Phase::Running { ready, .. }) = seen.map(|seen| &seen.phase) {
            let ready = !ready;
            self.happens(world, instance, Happening::Healthy { ready });
        }
    }

    /// Somebody asks for one instance to be replaced.
    pub(super) fn terminate_one(&mut self, world: &mut World) {
        let Some(instance) = self.pick(world) else {
            return;
        };
        let seen = self
            .instances
            .iter()
            .find(|seen| seen.instance == instance)
            .unwrap()
            .clone();
        world.say(|| format!("terminate {instance}"));
        world.referee.terminated(seen.slot);
        if seen.phase.is_live() {
            let grace = world.limits.grace;
            self.act(
                world,
                Action::Stop {
                    instance,
                    grace,
                    cause: None,
                },
            );
        } else {
            self.act(world, Action::Forget { instance });
        }
    }

    /// Every route leads to an instance that lives, or whose end was not heard of yet.
    pub(super) fn check_routes(&self, world: &World) {
        for instance in &self.routes {
            let seen = self
                .instances
                .iter()
                .find(|seen| seen.instance == *instance);
            assert!(
                seen.is_some_and(|seen| seen.phase.is_routable()),
                "a route leads to {instance}, which is {seen:?}"
            );
            let sandbox = world.sandboxes.iter().find(|s| s.instance == *instance);
            assert!(
                sandbox.is_some(),
                "a route leads to {instance}, which is nowhere"
            );
        }
    }

    /// Whether nothing is left to do but to wait for room.
    pub(super) fn at_rest(&mut self, world: &World) -> bool {
        let waits = |hold: &Hold| matches!(hold, Hold::Backoff { .. } | Hold::Crowd);
        self.next_wake_ms = self.plan.next_wake_ms;
        self.started
            && self.errands.is_empty()
            && self.plan.actions.is_empty()
            && !self.plan.held.iter().any(|(_, hold)| waits(hold))
            && self.instances.iter().all(|seen| match seen.phase {
                Phase::Running { .. } => true,
                Phase::Ended { .. } => self.plan.held.iter().any(|(slot, hold)| {
                    *slot == seen.slot && matches!(hold, Hold::GaveUp | Hold::Memory)
                }),
                _ => false,
            })
            && world.sandboxes.iter().all(|sandbox| {
                self.instances
                    .iter()
                    .any(|seen| seen.instance == sandbox.instance)
            })
    }

    /// What must hold when the world has come to rest.
    pub(super) fn check_rest(&self, world: &World) {
        let mut slots = 0;
        for wanted in &world.wanted {
            for index in 0..wanted.instances {
                slots += 1;
                let here =
                    |seen: &&Seen| seen.slot.process == wanted.process && seen.slot.index == index;
                let live: Vec<&Seen> = self
                    .instances
                    .iter()
                    .filter(here)
                    .filter(|s| s.phase.is_live())
                    .collect();
                if let [seen] = live.as_slice() {
                    assert_eq!(seen.version, wanted.version, "an old version goes on");
                    assert!(
                        self.routes.contains(&seen.instance),
                        "{} has no route",
                        seen.slot
                    );
                } else {
                    assert!(live.is_empty(), "several instances in one slot");
                    let used: u64 = world
                        .sandboxes
                        .iter()
                        .filter(|s| s.lives())
                        .map(|s| s.memory_mb)
                        .sum();
                    assert!(
                        used + wanted.memory_mb > world.limits.memory_mb,
                        "a slot is empty although there is room"
                    );
                }
            }
        }
        let live = world
            .sandboxes
            .iter()
            .filter(|sandbox| sandbox.lives())
            .count();
        assert!(live <= slots, "something runs that nobody wants");
        let mut unused = InstanceId::random;
        let again = plan(
            &world.wanted,
            &self.instances,
            &mut unused,
            &world.limits,
            world.now,
        );
        assert!(
            again.actions.is_empty(),
            "the plan of a world at rest is not empty:\n{again}"
        );
        for seen in &self.instances {
            if matches!(
                seen.phase,
                Phase::Ended {
                    end: crate::drivers::End::Crashed { .. },
                    ..
                }
            ) {
                assert!(seen.reported, "a crash was not told");
            }
        }
    }
}
