//! What is outside of the daemon: desired state, sandboxes, records on disk, clocks.

use std::time::Duration;

use uuid::Uuid;

use super::{Chance, daemon::Daemon, referee::Referee};
use crate::{
    drivers::{Slot, Version},
    model::{DropletId, Exit, InstanceId, ProcessId},
    reconcile::processes::{
        plan::{Limits, Seen},
        wanted::Wanted,
    },
    stdx::clock::Moment,
};

/// What a sandbox will do by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Becomes healthy, and stays so until a mishap.
    Sound,
    /// Never becomes healthy.
    Mute,
    /// Ends before it is healthy.
    Broken,
}

/// One sandbox.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub(super) instance: InstanceId,
    pub(super) slot: Slot,
    pub(super) memory_mb: u64,
    pub(super) nature: Nature,
    /// When its nature shows, on the clock that never jumps.
    pub(super) shows_at_ms: u64,
    /// When it is gone after it was asked to stop, on the clock that never jumps.
    pub(super) stops_at_ms: Option<u64>,
    pub(super) exit: Option<Exit>,
    /// Put there by a mishap and not by the daemon.
    pub(super) stray: bool,
}

impl Sandbox {
    pub(super) const fn lives(&self) -> bool {
        self.exit.is_none()
    }
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) chance: Chance,
    trace: bool,
    /// The time that truly passed, in milliseconds.
    pub(super) true_ms: u64,
    /// The clock that the daemon sees.
    pub(super) now: Moment,
    pub(super) limits: Limits,
    /// Desired state; ordered by process.
    pub(super) wanted: Vec<Wanted>,
    pub(super) sandboxes: Vec<Sandbox>,
    /// What is on disk of each instance.
    pub(super) records: Vec<Seen>,
    pub(super) referee: Referee,
    /// Whether things go wrong.
    pub(super) stormy: bool,
    next_id: u128,
}

const PROCESSES: u64 = 3;

impl World {
    pub(super) fn new(seed: u64, trace: bool) -> Self {
        let mut world = Self {
            chance: Chance(seed.wrapping_mul(0x2545_f491_4f6c_dd1d)),
            trace,
            true_ms: 0,
            now: Moment {
                steady_ms: 1_000_000,
                wall_ms: 1_700_000_000_000,
            },
            limits: Limits {
                memory_mb: 1024,
                starting: 4,
                grace: Duration::from_secs(10),
            },
            wanted: Vec::new(),
            sandboxes: Vec::new(),
            records: Vec::new(),
            referee: Referee::default(),
            stormy: true,
            next_id: 1,
        };
        for _ in 0..PROCESSES {
            world.change_of_mind();
        }
        world
    }

    pub(super) fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>12} {}", self.true_ms, what());
        }
    }

    pub(super) fn fresh_id(&mut self) -> InstanceId {
        self.next_id += 1;
        InstanceId::from_uuid(Uuid::from_u128(self.next_id))
    }

    pub(super) fn sandbox(&mut self, instance: InstanceId) -> Option<&mut Sandbox> {
        self.sandboxes
            .iter_mut()
            .find(|sandbox| sandbox.instance == instance)
    }

    /// Starts the sandbox of a record.
    pub(super) fn spawn(&mut self, seen: &Seen, stray: bool) {
        let nature = match self.chance.below(10) {
            _ if !self.stormy => Nature::Sound,
            0 => Nature::Mute,
            1..4 => Nature::Broken,
            _ => Nature::Sound,
        };
        let longest = if self.stormy { 20_000 } else { 2_000 };
        let shows_at_ms = self.true_ms + self.chance.below(longest);
        self.sandboxes.push(Sandbox {
            instance: seen.instance,
            slot: seen.slot,
            memory_mb: seen.memory_mb,
            nature,
            shows_at_ms,
            stops_at_ms: None,
            exit: None,
            stray,
        });
    }

    /// SIGTERM now, SIGKILL after `grace`.
    pub(super) fn stop(&mut self, instance: InstanceId, grace: Duration) {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap();
        let takes_ms = self.chance.below(12_000).min(grace_ms);
        let at_ms = self.true_ms + takes_ms;
        if let Some(sandbox) = self.sandbox(instance) {
            sandbox.stops_at_ms = Some(sandbox.stops_at_ms.map_or(at_ms, |was| was.min(at_ms)));
        }
    }

    /// Lets some time pass.
    pub(super) fn advance(&mut self) {
        let most = [20, 1_000, 5_000, 40_000, 400_000][self.chance.place(5)];
        let ms = self.chance.below(most) + 1;
        self.pass(ms);
    }

    fn pass(&mut self, ms: u64) {
        self.true_ms += ms;
        self.now.steady_ms += ms;
        self.now.wall_ms += ms;
        self.referee.passed(ms);
        let true_ms = self.true_ms;
        for sandbox in self.sandboxes.iter_mut().filter(|sandbox| sandbox.lives()) {
            if sandbox.stops_at_ms.is_some_and(|at| at <= true_ms) {
                sandbox.exit = Some(Exit::Stopped { killed: false });
            } else if sandbox.nature == Nature::Broken && sandbox.shows_at_ms <= true_ms {
                sandbox.exit = Some(Exit::Code { code: 1 });
            }
        }
    }

    /// Lets time pass until something is due.
    pub(super) fn advance_to_next(&mut self, daemon: &Daemon) {
        let true_ms = self.true_ms;
        let shows = self
            .sandboxes
            .iter()
            .filter(|s| s.lives())
            .flat_map(|sandbox| {
                [Some(sandbox.shows_at_ms), sandbox.stops_at_ms]
                    .into_iter()
                    .flatten()
            });
        let wake = daemon
            .next_wake_ms
            .map(|at| true_ms + at.saturating_sub(self.now.steady_ms));
        let next = shows.chain(wake).filter(|at| *at > true_ms).min();
        self.pass(next.map_or(1_000, |at| at - true_ms));
    }

    /// Something goes wrong, or somebody wants something else.
    pub(super) fn mishap(&mut self, daemon: &mut Daemon) {
        match self.chance.below(24) {
            0..6 => self.end_one(),
            6..9 => daemon.unhealthy_one(self),
            9 => {
                self.say(|| "the daemon dies".to_owned());
                *daemon = Daemon::default();
            }
            10 => self.jump(),
            11 if self.chance.permille(200) => self.reboot(daemon),
            // What the daemon did not start it finds when it starts itself.
            12 => {
                self.stray();
                *daemon = Daemon::default();
            }
            13 => daemon.terminate_one(self),
            14 => daemon.flip_one(self),
            15..20 => self.change_of_mind(),
            _ => {}
        }
    }

    fn end_one(&mut self) {
        if self.sandboxes.is_empty() {
            return;
        }
        let exit = match self.chance.below(4) {
            0 => Exit::Code { code: 0 },
            1 => Exit::OutOfMemory,
            2 => Exit::Signal { signal: 11 },
            _ => Exit::Lost,
        };
        let which = self.chance.place(self.sandboxes.len());
        let sandbox = &mut self.sandboxes[which];
        if sandbox.lives() {
            sandbox.exit = Some(exit.clone());
            let instance = sandbox.instance;
            self.say(|| format!("{instance} ends: {exit:?}"));
        }
    }

    fn jump(&mut self) {
        let by = self.chance.below(7_200_000);
        if self.chance.permille(500) {
            self.now.steady_ms += by;
            self.now.wall_ms += by;
            self.referee.passed(by);
            self.say(|| format!("the clock jumps {by} ms ahead"));
        } else {
            self.now.steady_ms = self.now.steady_ms.saturating_sub(by);
            self.now.wall_ms -= by;
            self.say(|| format!("the clock jumps {by} ms back"));
        }
    }

    /// Everything that runs is gone, the steady clock starts anew; the disk stays. The driver
    /// knows the records of another boot, and takes none of them over.
    fn reboot(&mut self, daemon: &mut Daemon) {
        self.say(|| "the host reboots".to_owned());
        *daemon = Daemon::default();
        self.sandboxes.clear();
        self.records.clear();
        self.now.steady_ms = 5_000;
        self.referee.rebooted();
    }

    /// An instance turns up that nobody here started.
    fn stray(&mut self) {
        let Some(wanted) = self.wanted.first().copied() else {
            return;
        };
        let index = self.chance.few(4);
        let process = if self.chance.permille(300) {
            process(99)
        } else {
            wanted.process
        };
        let seen = Seen {
            instance: self.fresh_id(),
            slot: Slot { process, index },
            version: wanted.version,
            crashes: 0,
            memory_mb: wanted.memory_mb,
            phase: crate::drivers::Phase::Running {
                since: self.now,
                ready: true,
            },
            reported: false,
        };
        self.say(|| format!("a stray {} in {}", seen.instance, seen.slot));
        self.spawn(&seen, true);
        self.referee.strays.push(seen.slot);
        self.records.push(seen);
    }

    /// Desired state changes.
    fn change_of_mind(&mut self) {
        let process = process(self.chance.below(PROCESSES) + 1);
        let found = self
            .wanted
            .iter()
            .position(|wanted| wanted.process == process);
        let Some(at) = found else {
            let wanted = Wanted {
                process,
                instances: self.chance.few(4) + 1,
                version: Version {
                    app: self.true_ms,
                    process: 0,
                    droplet: DropletId::from_uuid(Uuid::from_u128(1)),
                },
                memory_mb: [0, 64, 256, 400][self.chance.place(4)],
                start_timeout: Duration::from_secs(60),
            };
            self.next_id += 1;
            self.wanted.push(wanted);
            self.wanted.sort_by_key(|wanted| wanted.process);
            self.say(|| format!("wanted: {wanted:?}"));
            return;
        };
        match self.chance.below(5) {
            0 => {
                self.wanted.remove(at);
            }
            1 => self.wanted[at].version.app += 1,
            2 => {
                self.wanted[at].version.process += 1;
                self.wanted[at].memory_mb = [0, 64, 256, 400][self.chance.place(4)];
            }
            3 => {
                let droplet = u128::from(self.chance.below(3));
                self.wanted[at].version.droplet = DropletId::from_uuid(Uuid::from_u128(droplet));
            }
            _ => self.wanted[at].instances = self.chance.few(5) + 1,
        }
        self.say(|| format!("wanted: {:?}", self.wanted.get(at)));
    }

    /// The faults stop.
    pub(super) fn calm(&mut self) {
        self.say(|| "the faults stop".to_owned());
        self.stormy = false;
        for sandbox in &mut self.sandboxes {
            sandbox.nature = Nature::Sound;
        }
    }

    /// What must hold at every moment.
    pub(super) fn check(&self, daemon: &Daemon) {
        let mut memory_mb = 0;
        let mut live: Vec<Slot> = Vec::with_capacity(self.sandboxes.len());
        for sandbox in self.sandboxes.iter().filter(|s| s.lives() && !s.stray) {
            assert!(
                !live.contains(&sandbox.slot),
                "two instances in {}",
                sandbox.slot
            );
            live.push(sandbox.slot);
            memory_mb += sandbox.memory_mb;
        }
        assert!(
            memory_mb <= self.limits.memory_mb,
            "{memory_mb} MB are over the budget"
        );
        daemon.check_routes(self);
    }
}

pub(super) fn process(number: u64) -> ProcessId {
    ProcessId::from_uuid(Uuid::from_u128(u128::from(number)))
}
