//! Leads deployments on.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};

use super::plan::{Action, Web, plan};
use crate::{
    model::{
        App, Deployment, DeploymentId, DeploymentState, InstanceState, InstanceView, Observed,
        Process, ProcessType, Timestamp,
    },
    reconcile::Deps,
    store::{State, StoreError, Tx},
};

/// Between tries to write down what was planned.
const AGAIN: Duration = Duration::from_secs(1);

/// Leads deployments on until its task is stopped.
///
/// What is `observed` was put into the routing table before it was told: an instance that is
/// counted here is routed to, so another one may go.
pub(in crate::reconcile) async fn run(deps: Deps, mut observed: watch::Receiver<Arc<Observed>>) {
    let mut changes = deps.store.watch();
    loop {
        changes.borrow_and_update();
        let seen = Arc::clone(&observed.borrow_and_update());
        let state = deps.store.state();
        let due: Vec<DeploymentId> = state
            .active_deployments()
            .filter(|deployment| !plan(deployment, &webs(&state, deployment, &seen)).is_empty())
            .map(|deployment| deployment.id)
            .collect();
        drop(state);
        if !due.is_empty() {
            let now = Timestamp::from_millis(deps.clock.now().wall_ms);
            let led = deps.store.commit(|tx| {
                // Planned once more: nobody may come in between.
                for id in &due {
                    lead(tx, *id, &seen, now);
                }
                Ok::<_, StoreError>(())
            });
            if let Err(error) = led.await {
                tracing::error!(%error, "cannot lead deployments on");
                sleep(AGAIN).await;
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() {
                return;
            },
            changed = observed.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// The app's web processes, oldest first.
fn webs(state: &State, deployment: &Deployment, observed: &Observed) -> Vec<Web> {
    let all = state.processes_of_type(deployment.app, &ProcessType::web());
    all.map(|process| {
        let slots = observed.processes.get(&process.id);
        let routable = slots
            .into_iter()
            .flatten()
            .filter(|slot| slot.index < process.instances && is_routable(slot))
            .count();
        Web {
            process: process.id,
            instances: process.instances,
            routable: u32::try_from(routable).unwrap_or(u32::MAX),
        }
    })
    .collect()
}

fn is_routable(slot: &InstanceView) -> bool {
    slot.state == InstanceState::Running && slot.routable == Some(true)
}

fn lead(tx: &mut Tx, id: DeploymentId, observed: &Observed, now: Timestamp) {
    let Some(deployment) = tx.deployments.get(&id).cloned() else {
        return;
    };
    let mut deployment = Deployment::clone(&deployment);
    let actions = plan(&deployment, &webs(tx, &deployment, observed));
    if actions.is_empty() {
        return;
    }
    for action in actions {
        tracing::debug!(app = %deployment.app, %action, "deploying");
        match action {
            Action::Scale { process, instances } => {
                if let Some(process) = tx.processes.get(&process).cloned() {
                    tx.put(Process {
                        instances,
                        updated_at: now,
                        ..Process::clone(&process)
                    });
                }
            }
            Action::Pause => deployment.becomes(DeploymentState::Paused, now),
            Action::Finish { process, instances } => {
                if let Some(process) = tx.processes.get(&process).cloned() {
                    finish(tx, &mut deployment, &process, instances, now);
                }
            }
        }
    }
    // Each of these follows a new instance that has become healthy.
    deployment.healthy_at = now;
    deployment.updated_at = now;
    tx.put(deployment);
}

/// One web process stays. Where that is the new one, the other processes follow.
fn finish(
    tx: &mut Tx,
    deployment: &mut Deployment,
    stays: &Process,
    instances: u32,
    now: Timestamp,
) {
    let all: Vec<Process> = tx.processes_of(deployment.app).cloned().collect();
    let is_new = Some(stays.id) == deployment.process;
    let revision = deployment
        .revision
        .and_then(|(id, _)| tx.revisions.get(&id))
        .cloned();
    for mut process in all {
        if process.id == stays.id {
            process.instances = instances;
        } else if process.process_type == ProcessType::web() {
            tx.delete(process.id);
            continue;
        } else if is_new {
            process.generation += 1;
            if let Some(revision) = &revision {
                process.revision = Some(revision.id);
                let command = revision.blueprint.commands.get(&process.process_type);
                if let Some(command) = command.filter(|_| deployment.rollback) {
                    process.command.clone_from(command);
                }
            }
        }
        process.pin = None;
        process.updated_at = now;
        tx.put(process);
    }
    if is_new {
        deployment.becomes(DeploymentState::Deployed, now);
        return;
    }
    deployment.becomes(DeploymentState::Canceled, now);
    if let Some(app) = tx.apps.get(&deployment.app).cloned() {
        tx.put(App {
            updated_at: now,
            ..App::clone(&app)
        });
    }
}
