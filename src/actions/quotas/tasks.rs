//! Whether a task may run.

use super::{
    super::ActionError,
    enforce::{held, refuse},
};
use crate::{
    model::{Megabytes, Over, SpaceId, Task},
    store::State,
};

/// What a task will use.
#[derive(Debug, Clone, Copy)]
pub(in crate::actions) struct TaskSize {
    /// Its memory.
    pub(in crate::actions) memory: Megabytes,
    /// Log bytes per second; negative for no limit.
    pub(in crate::actions) log_rate: i64,
    /// Tasks of the same app that run or wait already.
    pub(in crate::actions) beside: u64,
}

impl TaskSize {
    /// What `task`, which is not in `state` yet, will use.
    pub(in crate::actions) fn of(state: &State, task: &Task) -> Self {
        let others = state.tasks_of(task.app);
        let beside = others.filter(|other| !other.state.is_final()).count();
        Self {
            memory: task.memory,
            log_rate: task.log_rate_limit,
            beside: u64::try_from(beside).unwrap_or(u64::MAX),
        }
    }
}

/// Passes where another task of that size may run in `space`.
///
/// # Errors
/// [`ActionError::Quota`].
pub(in crate::actions) fn may_run_task(
    state: &State,
    space: SpaceId,
    task: TaskSize,
) -> Result<(), ActionError> {
    let memory = u64::from(task.memory.0);
    let mut found = Vec::new();
    for held in held(state, space) {
        let mut after = held.usage;
        after.add_task(memory, task.log_rate);
        let mut over = held.limits.exceeded(&held.usage, &after);
        for over in &mut over {
            *over = match *over {
                Over::Memory => Over::TaskMemory,
                Over::LogRate => Over::TaskLogRate,
                other => other,
            };
        }
        if !held.limits.holds_process(memory) {
            over.push(Over::TaskProcessMemory);
        }
        let most = held.limits.apps.per_app_tasks;
        if most.is_some_and(|most| task.beside >= most) {
            over.push(Over::Tasks);
        }
        found.extend(over.into_iter().map(|over| held.place.breach(over, state)));
    }
    refuse(found)
}
