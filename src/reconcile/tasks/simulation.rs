//! The plan against a machine whose daemon dies between any two steps, whose tasks end as they
//! like, and whose people change their minds.

use std::{collections::BTreeMap, time::Duration};

use super::plan::{Action, Limits, Seen, plan};
use crate::{
    drivers::{Happening, Phase},
    model::{
        AppId, DropletId, Exit, InstanceId, Megabytes, Metadata, Task, TaskId, TaskState, Timestamp,
    },
    reconcile::tests::Chance,
    stdx::clock::Moment,
};

const SEEDS: u64 = 3_000;
const STEPS: u32 = 60;
const PATIENCE: u32 = 300;
const MEMORY_MB: u64 = 256;

/// What a machine holds of a task that was started: this outlives the daemon.
#[derive(Debug, Clone)]
struct Sandbox {
    seen: Seen,
    /// Whether its command began, and how it ended.
    began: bool,
    exit: Option<Exit>,
}

struct World {
    chance: Chance,
    now: Moment,
    stormy: bool,
    tasks: BTreeMap<TaskId, Task>,
    sandboxes: Vec<Sandbox>,
    /// How often each task's command began.
    begun: BTreeMap<TaskId, u32>,
    /// How each command ended by itself.
    ends: BTreeMap<TaskId, Exit>,
}

fn task(chance: &mut Chance, number: u64) -> Task {
    Task {
        id: TaskId::random(),
        app: AppId::from_uuid(uuid::Uuid::nil()),
        sequence: number,
        name: format!("t{number}"),
        command: "true".to_owned(),
        state: TaskState::Pending,
        droplet: DropletId::from_uuid(uuid::Uuid::nil()),
        memory: Megabytes(32 << chance.few(5)),
        disk: Megabytes(1),
        log_rate_limit: -1,
        metadata: Metadata::default(),
        created_at: Timestamp::from_millis(number),
        updated_at: Timestamp::from_millis(number),
    }
}

impl World {
    fn dies(&mut self) -> bool {
        self.stormy && self.chance.permille(30)
    }

    fn happens(&mut self, at: usize, happening: Happening) {
        let phase = self.sandboxes[at].seen.phase.after(happening, self.now);
        if let Some(phase) = phase {
            self.sandboxes[at].seen.phase = phase;
        }
    }

    /// What happens by itself: people, commands that begin and end, time.
    fn mishaps(&mut self) {
        self.now.steady_ms += self.chance.below(20_000);
        if self.stormy && self.chance.permille(300) {
            let task = task(&mut self.chance, self.tasks.len() as u64);
            self.tasks.insert(task.id, task);
        }
        let ids: Vec<TaskId> = self.tasks.keys().copied().collect();
        for id in ids {
            if !self.stormy {
                break;
            }
            if self.chance.permille(30)
                && let Some(task) = self.tasks.get_mut(&id)
                && !task.state.is_final()
            {
                task.state = TaskState::Canceling;
            } else if self.chance.permille(10) {
                // Its app is deleted.
                self.tasks.remove(&id);
            }
        }
        for at in 0..self.sandboxes.len() {
            let id = self.sandboxes[at].seen.task;
            if self.sandboxes[at].exit.is_some() {
                continue;
            }
            if !self.sandboxes[at].began {
                self.sandboxes[at].began = true;
                *self.begun.entry(id).or_default() += 1;
            } else if !self.stormy || self.chance.permille(200) {
                let exit = Exit::Code {
                    code: i32::try_from(self.chance.few(2)).unwrap(),
                };
                self.sandboxes[at].exit = Some(exit.clone());
                self.ends.insert(id, exit);
            }
        }
    }

    /// What the drivers notice, most of the time.
    fn notice(&mut self) {
        for at in 0..self.sandboxes.len() {
            if self.stormy && self.chance.permille(300) {
                continue;
            }
            if let Some(exit) = self.sandboxes[at].exit.clone() {
                self.happens(at, Happening::Exited(exit));
            } else if self.sandboxes[at].began {
                self.happens(at, Happening::Healthy { ready: true });
            }
        }
    }

    /// A daemon takes over what the one before it left.
    fn adopt(&mut self) {
        for at in 0..self.sandboxes.len() {
            if !self.sandboxes[at].began && self.sandboxes[at].exit.is_none() {
                // The start never came so far.
                self.sandboxes[at].exit = Some(Exit::Lost);
                self.happens(at, Happening::Interrupted);
            }
        }
    }

    fn pass(&mut self) {
        let limits = Limits {
            memory_mb: MEMORY_MB,
            taken_mb: 0,
            starts: 4,
            grace: Duration::from_secs(10),
        };
        let seen: Vec<Seen> = self.sandboxes.iter().map(|one| one.seen.clone()).collect();
        let mut unfinished: Vec<Task> = self.tasks.values().cloned().collect();
        unfinished.retain(|task| !task.state.is_final());
        unfinished.sort_by_key(|task| task.created_at);
        let plan = plan(&unfinished, &seen, &limits, self.now);
        for action in plan.actions {
            if self.dies() {
                self.adopt();
                return;
            }
            self.act(action);
        }
        let live = self.sandboxes.iter().filter(|one| one.seen.phase.is_live());
        assert!(live.map(|one| one.seen.memory_mb).sum::<u64>() <= MEMORY_MB);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start { task } => {
                let memory_mb = self.tasks[&task].memory.0.into();
                self.sandboxes.push(Sandbox {
                    seen: Seen {
                        instance: InstanceId::random(),
                        task,
                        memory_mb,
                        phase: Phase::Starting { since: self.now },
                    },
                    began: false,
                    exit: None,
                });
            }
            Action::Stop { instance, .. } => {
                let at = self.at(instance);
                self.happens(at, Happening::StopWanted(None));
                if self.sandboxes[at].exit.is_none() && !self.chance.permille(200) {
                    self.sandboxes[at].exit = Some(Exit::Stopped { killed: false });
                }
            }
            Action::Note { task, state } => {
                let Some(found) = self.tasks.get_mut(&task) else {
                    return;
                };
                assert!(
                    !found.state.is_final(),
                    "what came of {task} was written twice"
                );
                if let TaskState::Succeeded = state {
                    assert_eq!(self.ends[&task], Exit::Code { code: 0 });
                }
                found.state = state;
            }
            Action::Forget { instance } => {
                let at = self.at(instance);
                self.sandboxes.remove(at);
            }
        }
    }

    fn at(&self, instance: InstanceId) -> usize {
        let mut all = self.sandboxes.iter();
        all.position(|one| one.seen.instance == instance).unwrap()
    }

    fn at_rest(&self) -> bool {
        self.sandboxes.is_empty() && self.tasks.values().all(|task| task.state.is_final())
    }
}

fn live(seed: u64) {
    let mut world = World {
        chance: Chance(seed),
        now: Moment {
            steady_ms: 1,
            wall_ms: 1,
        },
        stormy: true,
        tasks: BTreeMap::new(),
        sandboxes: Vec::new(),
        begun: BTreeMap::new(),
        ends: BTreeMap::new(),
    };
    for step in 0..STEPS + PATIENCE {
        world.stormy = step < STEPS;
        if !world.stormy && world.at_rest() {
            break;
        }
        world.mishaps();
        world.notice();
        world.pass();
        if world.dies() {
            world.adopt();
        }
    }
    assert!(
        world.at_rest(),
        "never came to rest: {:#?}",
        world.sandboxes
    );
    for (task, times) in &world.begun {
        assert_eq!(*times, 1, "{task} ran {times} times");
    }
    for task in world.tasks.values() {
        let large = u64::from(task.memory.0) > MEMORY_MB;
        assert!(!large || !world.begun.contains_key(&task.id));
    }
}

#[test]
fn each_task_runs_once_and_what_came_of_it_is_written_once() {
    for seed in 0..SEEDS {
        if let Err(cause) = std::panic::catch_unwind(|| live(seed)) {
            eprintln!("it was seed {seed}");
            std::panic::resume_unwind(cause);
        }
    }
}
