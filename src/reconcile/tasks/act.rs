//! Looks at tasks, and performs what was planned.

use std::sync::Arc;

use futures_util::future::join_all;

use super::plan::{self, Action, Limits, Plan, Seen};
use crate::{
    drivers::{
        Drivers, Instance, Order, Slot, TaskMark, Version, bindings, credentials, environment,
    },
    model::{
        HealthCheck, InstanceId, Metadata, Process, ProcessId, ProcessType, ReadinessCheck, Task,
        TaskId, TaskState, Timestamp,
    },
    reconcile::network,
    stdx::clock::Moment,
    store::{State, Store, StoreError},
};

/// The plan for the tasks of `state`, whose instances are among `instances`.
pub(in crate::reconcile) fn plan(
    state: &State,
    instances: &[Instance],
    limits: &Limits,
    now: Moment,
) -> Plan {
    let seen = instances.iter().filter_map(|instance| {
        Some(Seen {
            instance: instance.instance,
            task: instance.task?,
            memory_mb: instance.memory_mb,
            phase: instance.phase.clone(),
        })
    });
    let seen: Vec<Seen> = seen.collect();
    plan::plan(state.unfinished_tasks(), &seen, limits, now)
}

/// Asks instances to stop. Does not wait.
pub(in crate::reconcile) fn stop(plan: &Plan, drivers: &Drivers) {
    for action in &plan.actions {
        if let Action::Stop { instance, grace } = action {
            // No request is ever under way to a task.
            drivers.stop(*instance, *grace, None, (Arc::new(|| false), None));
        }
    }
}

/// Does everything else. What fails is logged, and planned again. What is started begins with its
/// app's share of `bandwidth`.
pub(in crate::reconcile) async fn perform(
    plan: Plan,
    (instances, bandwidth): (&[Instance], Option<u64>),
    store: &Store,
    drivers: &Drivers,
    now: Moment,
) {
    let mut starts = Vec::new();
    let mut notes = Vec::new();
    for action in plan.actions {
        match action {
            Action::Stop { .. } => {}
            Action::Start { task } => {
                match order(&store.state(), drivers, (instances, bandwidth), task) {
                    Some(order) => starts.push(drivers.start(order)),
                    // Where the app is gone by now, its tasks are, too.
                    None => notes.push((
                        task,
                        TaskState::Failed {
                            reason: "the task's droplet was deleted".to_owned(),
                        },
                    )),
                }
            }
            Action::Note { task, state } => notes.push((task, state)),
            Action::Forget { instance } => drivers.forget(instance),
        }
    }
    join_all(starts).await;
    let at = Timestamp::from_millis(now.wall_ms);
    if !notes.is_empty()
        && let Err(error) = note(store, notes, at).await
    {
        tracing::error!(%error, "cannot write down what came of tasks");
    }
}

/// Writes down where tasks stand. What has ended stays as it is.
async fn note(
    store: &Store,
    notes: Vec<(TaskId, TaskState)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    store
        .commit(|tx| {
            for (id, state) in notes {
                let Some(task) = tx.tasks.get(&id).cloned() else {
                    continue;
                };
                // A user may have wanted its end since the plan was made.
                let late = state == TaskState::Running && task.state != TaskState::Pending;
                if !task.state.is_final() && !late {
                    tx.put(Task {
                        state,
                        updated_at: now,
                        ..Task::clone(&task)
                    });
                }
            }
            Ok(())
        })
        .await
}

fn order(
    state: &State,
    drivers: &Drivers,
    (instances, bandwidth): (&[Instance], Option<u64>),
    id: TaskId,
) -> Option<Order> {
    let task = state.tasks.get(&id)?;
    let app = state.apps.get(&task.app)?;
    let droplet = state.droplets.get(&task.droplet)?;
    let process = stand_in(task)?;
    let platform = &drivers.config().platform;
    let env = environment::with_subject(state, app.id, |subject| {
        environment::task(platform, subject, &process, droplet, id)
    })?;
    Some(Order {
        slot: Slot {
            process: process.id,
            index: 0,
        },
        instance: InstanceId::random(),
        version: Version {
            app: app.generation,
            process: 0,
            droplet: droplet.id,
        },
        crashes: 0,
        app: Arc::clone(app),
        process: Arc::new(process),
        droplet: Arc::clone(droplet),
        env,
        files: bindings::files(app, &state.vcap_services(app.id)),
        bearer: credentials::bearer(state, app.id)?,
        network: network::plan::starting(state, instances, bandwidth, app.id),
        sidecars: Vec::new(),
        task: Some(TaskMark {
            id,
            name: task.name.clone(),
        }),
    })
}

/// The process that a task would be, for whoever starts processes.
fn stand_in(task: &Task) -> Option<Process> {
    Some(Process {
        id: ProcessId::from_uuid(task.id.uuid()),
        app: task.app,
        process_type: ProcessType::parse("task").ok()?,
        command: Some(task.command.clone()),
        instances: 1,
        memory: task.memory,
        disk: task.disk,
        log_rate_limit: task.log_rate_limit,
        health: HealthCheck::default_for(false),
        readiness: ReadinessCheck::default(),
        generation: 0,
        revision: None,
        pin: None,
        metadata: Metadata::default(),
        created_at: task.created_at,
        updated_at: task.updated_at,
    })
}
