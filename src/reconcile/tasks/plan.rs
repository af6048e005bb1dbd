//! What has to be done so that every task runs once.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{
    drivers::{End, Phase},
    model::{Exit, InstanceId, Task, TaskId, TaskState},
    stdx::clock::{Moment, millis},
};

/// How long past its grace a stop may take before it is asked for again.
const STOP_PATIENCE: Duration = Duration::from_secs(15);
/// Cloud Foundry's words for a task that was ended at a user's wish.
const CANCELLED: &str = "task was cancelled";
/// Cloud Foundry's words for a task that is too large.
const TOO_LARGE: &str = "insufficient resources: memory";
/// What is said of a task of which nothing is left.
const LOST: &str = "the machine or the platform was stopped while the task ran";

/// A task's instance as it was observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The instance.
    pub instance: InstanceId,
    /// The task.
    pub task: TaskId,
    /// What it takes from the machine's budget while it lives, in mebibytes.
    pub memory_mb: u64,
    /// Where it stands.
    pub phase: Phase,
}

/// What a plan keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all that runs on the machine, in mebibytes.
    pub memory_mb: u64,
    /// What of it is taken by others than tasks.
    pub taken_mb: u64,
    /// Tasks that may begin now.
    pub starts: usize,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start a task.
    Start {
        /// Which.
        task: TaskId,
    },
    /// Ask its instance to stop.
    Stop {
        /// Which.
        instance: InstanceId,
        /// From SIGTERM to SIGKILL.
        grace: Duration,
    },
    /// Write down where a task stands.
    Note {
        /// Which.
        task: TaskId,
        /// Where.
        state: TaskState,
    },
    /// Remove what is left of an ended instance.
    Forget {
        /// Which.
        instance: InstanceId,
    },
}

/// What to do now, and when to look again if nothing happens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In this order.
    pub actions: Vec<Action>,
    /// Memory that is taken then, what others take among it, in mebibytes.
    pub memory_mb: u64,
    /// When time alone will change the plan (steady clock, milliseconds).
    pub next_wake_ms: Option<u64>,
}

/// The plan for the `unfinished` tasks, oldest first, of which `seen` runs or has run.
///
/// Nothing of an instance is forgotten before what came of it is written down.
#[must_use]
pub fn plan<'a>(
    unfinished: impl IntoIterator<Item = &'a Task>,
    seen: &[Seen],
    limits: &Limits,
    now: Moment,
) -> Plan {
    let mut left: BTreeMap<TaskId, &Seen> = seen.iter().map(|seen| (seen.task, seen)).collect();
    let live = seen.iter().filter(|seen| seen.phase.is_live());
    let mut making = Making {
        limits,
        now,
        memory_mb: limits.taken_mb + live.map(|seen| seen.memory_mb).sum::<u64>(),
        starts: limits.starts,
        plan: Plan::default(),
    };
    for task in unfinished {
        match left.remove(&task.id) {
            None => making.absent(task),
            Some(seen) => making.present(task, seen),
        }
    }
    for seen in left.values() {
        if seen.phase.is_live() {
            making.stop(seen);
        } else {
            making.forget(seen);
        }
    }
    making.plan.memory_mb = making.memory_mb;
    making.plan
}

struct Making<'a> {
    limits: &'a Limits,
    now: Moment,
    memory_mb: u64,
    starts: usize,
    plan: Plan,
}

impl Making<'_> {
    /// Sees to a task that has no instance.
    fn absent(&mut self, task: &Task) {
        let memory_mb = u64::from(task.memory.0);
        match task.state {
            TaskState::Pending if memory_mb > self.limits.memory_mb => {
                self.failed(task, TOO_LARGE);
            }
            TaskState::Pending => {
                let after = self.memory_mb.saturating_add(memory_mb);
                if self.starts > 0 && after <= self.limits.memory_mb {
                    self.memory_mb = after;
                    self.starts -= 1;
                    self.plan.actions.push(Action::Start { task: task.id });
                }
            }
            TaskState::Canceling => self.failed(task, CANCELLED),
            TaskState::Running => self.failed(task, LOST),
            TaskState::Succeeded | TaskState::Failed { .. } => {}
        }
    }

    /// Sees to a task whose instance is there.
    fn present(&mut self, task: &Task, seen: &Seen) {
        match (&seen.phase, &task.state) {
            // It never began, so it may begin again.
            (
                Phase::Ended {
                    end: End::Interrupted,
                    ..
                },
                TaskState::Pending,
            ) => self.forget(seen),
            (Phase::Ended { end, .. }, state) => {
                let state = match state {
                    TaskState::Canceling => failed(CANCELLED),
                    _ => outcome(&task.name, end),
                };
                let task = task.id;
                self.plan.actions.push(Action::Note { task, state });
            }
            (_, TaskState::Canceling) => self.stop(seen),
            (Phase::Running { .. }, TaskState::Pending) => {
                let (task, state) = (task.id, TaskState::Running);
                self.plan.actions.push(Action::Note { task, state });
            }
            _ => {}
        }
    }

    fn failed(&mut self, task: &Task, reason: &str) {
        let (task, state) = (task.id, failed(reason));
        self.plan.actions.push(Action::Note { task, state });
    }

    fn forget(&mut self, seen: &Seen) {
        let instance = seen.instance;
        self.plan.actions.push(Action::Forget { instance });
    }

    /// Asks for a stop, unless that was done and time remains.
    fn stop(&mut self, seen: &Seen) {
        let mut grace = self.limits.grace;
        if let Phase::Stopping { since, .. } = seen.phase {
            let patience = grace + STOP_PATIENCE;
            let mut again = since.steady_ms.saturating_add(millis(patience));
            if self.now.since(since) >= patience {
                grace = Duration::ZERO;
                again = self.now.steady_ms.saturating_add(millis(STOP_PATIENCE));
            }
            let next = &mut self.plan.next_wake_ms;
            *next = Some(next.map_or(again, |next| next.min(again)));
            if !grace.is_zero() {
                return;
            }
        }
        let instance = seen.instance;
        self.plan.actions.push(Action::Stop { instance, grace });
    }
}

fn failed(reason: &str) -> TaskState {
    TaskState::Failed {
        reason: reason.to_owned(),
    }
}

/// What the end of its instance means for the task of this name.
fn outcome(name: &str, end: &End) -> TaskState {
    match end {
        End::Crashed {
            exit: Exit::Code { code: 0 },
            ..
        } => TaskState::Succeeded,
        End::Crashed { exit, .. } => failed(&reason(name, exit)),
        End::Stopped | End::Interrupted => failed(LOST),
    }
}

/// Why a task failed, as Cloud Foundry words it.
fn reason(name: &str, exit: &Exit) -> String {
    let status = exit.status();
    match exit {
        Exit::Code { .. } | Exit::Signal { .. } => {
            format!("APP/TASK/{name}: Exited with status {status}")
        }
        Exit::OutOfMemory => {
            format!("APP/TASK/{name}: Exited with status {status} (out of memory)")
        }
        Exit::OutOfDisk { quota, .. } => {
            format!("APP/TASK/{name}: Exited with status {status} (disk quota of {quota} exceeded)")
        }
        Exit::Stopped { .. } | Exit::Lost => LOST.to_owned(),
        Exit::NotStarted { reason } => reason.clone(),
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { task } => write!(f, "start task {task}"),
            Self::Stop { instance, grace } => {
                write!(f, "stop {instance} within {} ms", grace.as_millis())
            }
            Self::Note { task, state } => write!(f, "task {task} is {state:?}"),
            Self::Forget { instance } => write!(f, "forget {instance}"),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for action in &self.actions {
            writeln!(f, "{action}")?;
        }
        self.next_wake_ms
            .map_or(Ok(()), |at_ms| writeln!(f, "wake at {at_ms} ms"))
    }
}
