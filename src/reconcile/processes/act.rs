//! Performs what was planned.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;

use super::{plan::Action, wanted::Wanted};
use crate::{
    drivers::{
        Drivers, End, Instance, Order, Phase, Slot, Version, bindings, credentials, environment,
    },
    model::{
        Actor, App, AppId, Event, EventId, EventTarget, Exit, InstanceId, Process, SidecarPlan,
        Timestamp,
    },
    reconcile::{network, routes::Routes},
    store::{State, Store, StoreError},
};

/// Takes instances out of what is routable and asks them to stop. Does not wait.
///
/// One whose place another one waits for answers only what is quick to the end; one whose place
/// is gone, since there are fewer now or others took over, has as long for that as to stop.
pub(in crate::reconcile) fn stop(
    actions: &[Action],
    (wanted, instances): (&[Wanted], &[Instance]),
    drivers: &Drivers,
    routes: &Routes,
) {
    let awaited = |instance: InstanceId| {
        let slot = instances.iter().find(|one| one.instance == instance);
        slot.map(|one| one.slot).is_some_and(|slot| {
            let at = wanted.binary_search_by_key(&slot.process, |wanted| wanted.process);
            at.is_ok_and(|at| slot.index < wanted[at].instances)
        })
    };
    for action in actions {
        if let Action::Stop {
            instance,
            grace,
            cause,
        } = action
        {
            let drain = (!awaited(*instance)).then_some(*grace);
            let busy = (routes.busy(*instance), drain);
            drivers.stop(*instance, *grace, cause.clone(), busy);
        }
    }
}

/// Does everything else. What fails is logged, and planned again. What is started begins with its
/// app's share of `bandwidth`.
pub(in crate::reconcile) async fn perform(
    actions: Vec<Action>,
    (instances, bandwidth): (&[Instance], Option<u64>),
    store: &Store,
    drivers: &Drivers,
) {
    let mut starts = Vec::new();
    let mut crashed = Vec::new();
    for action in actions {
        match action {
            Action::Stop { .. } => {}
            Action::Start {
                slot,
                instance,
                version,
                crashes,
            } => {
                let order = order(
                    &store.state(),
                    drivers,
                    (instances, bandwidth),
                    slot,
                    (instance, version, crashes),
                );
                // What the plan saw may be gone by now; then the next plan is another one.
                starts.extend(order.map(|order| drivers.start(order)));
            }
            Action::Report { instance } => {
                crashed.extend(instances.iter().find(|seen| seen.instance == instance));
            }
            Action::Forget { instance } => drivers.forget(instance),
        }
    }
    join_all(starts).await;
    if let Err(error) = report(&crashed, store, drivers).await {
        tracing::error!(%error, "cannot write down that instances crashed");
    }
}

fn order(
    state: &State,
    drivers: &Drivers,
    (instances, bandwidth): (&[Instance], Option<u64>),
    slot: Slot,
    (instance, version, crashes): (InstanceId, Version, u32),
) -> Option<Order> {
    let process = state.processes.get(&slot.process)?;
    let app = state.apps.get(&process.app)?;
    if Version::wanted(app, process)? != version {
        return None;
    }
    let droplet = state.droplets.get(&version.droplet)?;
    let (app, process) = pinned(app, process);
    let place = environment::Place {
        instance,
        index: slot.index,
        port: droplet.port(),
    };
    let platform = &drivers.config().platform;
    let sidecars = sidecars(state, &process);
    let mut env = environment::with_subject(state, app.id, |subject| {
        let subject = environment::Subject {
            app: &app,
            ..*subject
        };
        environment::running(platform, &subject, &process, droplet, place)
    })?;
    environment::share_memory(&mut env, &process, &sidecars);
    Some(Order {
        slot,
        instance,
        version,
        crashes,
        network: network::plan::starting(state, instances, bandwidth, app.id),
        files: bindings::files(&app, &state.vcap_services(app.id)),
        bearer: credentials::bearer(state, app.id)?,
        app,
        process,
        droplet: droplet.clone(),
        env,
        sidecars,
        task: None,
    })
}

/// The app and the process as the process goes on running, whatever was changed since.
fn pinned(app: &Arc<App>, process: &Arc<Process>) -> (Arc<App>, Arc<Process>) {
    let Some(pin) = &process.pin else {
        return (Arc::clone(app), Arc::clone(process));
    };
    let app = App {
        env: pin.env.clone(),
        ..App::clone(app)
    };
    let process = Process {
        command: pin.command.clone(),
        ..Process::clone(process)
    };
    (Arc::new(app), Arc::new(process))
}

/// What runs beside the process.
fn sidecars(state: &State, process: &Process) -> Vec<SidecarPlan> {
    let mut plans = match &process.pin {
        Some(pin) => pin.sidecars.clone(),
        None => state.sidecar_plans(process.app),
    };
    plans.retain(|plan| plan.process_types.contains(&process.process_type));
    plans
}

/// Writes the events of crashes. Their ids come from the instances', so that a daemon that
/// died before it could mark them writes the same ones again.
async fn report(crashed: &[&Instance], store: &Store, drivers: &Drivers) -> Result<(), StoreError> {
    if crashed.is_empty() {
        return Ok(());
    }
    store
        .commit::<(), StoreError>(|tx| {
            for instance in crashed {
                let app = tx.apps.get(&instance.app).cloned();
                // Nobody looks for events of an app that is gone.
                if let Some(app) = app {
                    for event in events(tx, &app, instance, &drivers.config().platform.cell) {
                        tx.record_event(event);
                    }
                }
            }
            Ok(())
        })
        .await?;
    for instance in crashed {
        drivers.mark_reported(instance.instance);
    }
    Ok(())
}

/// Cloud Foundry has told of a crash twice since its third API.
fn events(state: &State, app: &App, instance: &Instance, cell: &str) -> Vec<Event> {
    let Phase::Ended {
        at,
        end: End::Crashed { exit, details, .. },
    } = &instance.phase
    else {
        return Vec::new();
    };
    let data = json!({
        "instance": instance.instance.to_string(),
        "index": instance.slot.index,
        "cell_id": cell,
        "exit_description": described(exit, details, instance.memory_mb),
        "reason": "CRASHED",
        "exit_status": exit.status(),
    });
    let by_app = Actor {
        guid: app.id.to_string(),
        kind: "app".to_owned(),
        name: app.name.to_string(),
    };
    let by_process = Actor {
        guid: instance.slot.process.to_string(),
        kind: "process".to_owned(),
        name: instance.process_type.to_string(),
    };
    let bits = instance.instance.uuid().as_u128();
    let each = [
        ("app.crash", by_app, bits),
        ("audit.app.process.crash", by_process, bits ^ 1),
    ];
    let each = each.map(|(kind, actor, bits)| Event {
        id: EventId::from_uuid(uuid::Uuid::from_u128(bits)),
        kind: kind.to_owned(),
        actor,
        target: target(app.id, app),
        data: data.clone(),
        space: Some(app.space),
        org: state.spaces.get(&app.space).map(|space| space.org),
        created_at: Timestamp::from_millis(at.wall_ms),
    });
    each.into()
}

/// Says which limit it was where one was reached.
fn described(exit: &Exit, details: &str, memory_mb: u64) -> String {
    match exit {
        Exit::OutOfMemory => format!("{details}: the memory limit is {memory_mb}M"),
        _ => details.to_owned(),
    }
}

fn target(id: AppId, app: &App) -> EventTarget {
    EventTarget {
        guid: id.to_string(),
        kind: "app".to_owned(),
        name: app.name.to_string(),
    }
}
