//! Deletions that wait for brokers, and what else is done without asking one.

use super::{
    act::tell,
    plan::{Step, may_begin},
    words,
};
use crate::{
    model::{
        Actor, Doomed, Job, JobError, JobId, JobState, OperationKind, OperationState, Service,
        ServiceId, Timestamp, Work,
    },
    reconcile::Deps,
    store::{
        State, StoreError, Tx, cascade,
        service_events::{end_use_in_space, note_service},
    },
    wire::Error,
};

/// Carries out a step that needs no broker.
pub(super) async fn perform(deps: &Deps, step: Step, now: Timestamp) -> Result<(), StoreError> {
    let forgotten = deps
        .store
        .commit(|tx| {
            let mut forgotten = Vec::new();
            match step {
                Step::Call(..) => {}
                Step::Unbind(service) => unbind(tx, service, now),
                Step::GiveUp(service) => give_up(tx, service, now),
                Step::Begin(job) => begin(tx, job, now),
                Step::Wait(job) => tell(tx, Some(job), Ok(JobState::Polling), now),
                Step::Finish(job) => forgotten = finish(tx, job, now),
                Step::Fail(job) => fail(tx, job, now),
            }
            Ok::<_, StoreError>(forgotten)
        })
        .await?;
    for app in forgotten {
        let logs = deps.logs.clone();
        // The log is files, and removing them waits for the disk.
        if let Err(error) = tokio::task::spawn_blocking(move || logs.forget(app)).await {
            tracing::error!(%error, %app, "the log of a deleted app cannot be removed");
        }
    }
    Ok(())
}

/// Begins to end whatever is bound to an instance that shall go.
fn unbind(tx: &mut Tx, id: ServiceId, now: Timestamp) {
    let Some(service) = tx.services.get(&id).cloned() else {
        return;
    };
    let Some(errand) = &service.errand else {
        return;
    };
    let since = service.last_operation.created_at;
    let bindings: Vec<_> = tx.bindings_of_service(id).map(|found| found.id).collect();
    for binding in bindings {
        begin_binding(tx, binding, &errand.by, since, now);
    }
    let routes: Vec<_> = tx
        .route_bindings_of_service(id)
        .map(|found| found.id)
        .collect();
    for binding in routes {
        begin_route(tx, binding, &errand.by, since, now);
    }
}

fn begin_binding(
    tx: &mut Tx,
    id: crate::model::BindingId,
    by: &Actor,
    since: Timestamp,
    now: Timestamp,
) {
    let Some(binding) = tx.bindings.get(&id).cloned() else {
        return;
    };
    if may_begin(&binding.last_operation, binding.errand.as_ref(), since) {
        if let Some(job) = binding.errand.as_ref().and_then(|errand| errand.job) {
            tx.cancel_job(job, "bind", "delete in progress", now);
        }
        tx.begin_to_unbind(&binding, by, None, now);
    }
}

fn begin_route(
    tx: &mut Tx,
    id: crate::model::RouteBindingId,
    by: &Actor,
    since: Timestamp,
    now: Timestamp,
) {
    let Some(binding) = tx.route_bindings.get(&id).cloned() else {
        return;
    };
    if may_begin(&binding.last_operation, binding.errand.as_ref(), since) {
        if let Some(job) = binding.errand.as_ref().and_then(|errand| errand.job) {
            tx.cancel_job(job, "bind", "delete in progress", now);
        }
        tx.begin_to_unbind_route(&binding, by, None, now);
    }
}

/// Says that an instance stays, since a binding of it does.
fn give_up(tx: &mut Tx, id: ServiceId, now: Timestamp) {
    let Some(service) = tx.services.get(&id).cloned() else {
        return;
    };
    let Some(errand) = &service.errand else {
        return;
    };
    let last = &service.last_operation;
    let failed = stuck_bindings(tx, id, last.created_at).into_iter().next();
    let words = failed.unwrap_or_default();
    let mut stays = Service::clone(&service);
    stays.errand = None;
    stays.last_operation = last.to(OperationState::Failed, words.as_str(), now);
    tx.put(stays);
    tell(tx, errand.job, Err(words::unable("delete", &words)), now);
}

/// Why bindings of an instance did not end since `since`.
fn stuck_bindings(state: &State, service: ServiceId, since: Timestamp) -> Vec<String> {
    let stuck = |last: &crate::model::Operation| {
        let failed = last.is(OperationKind::Delete, OperationState::Failed);
        (failed && last.updated_at >= since).then(|| last.description.clone())
    };
    let bindings = state.bindings_of_service(service);
    let routes = state.route_bindings_of_service(service);
    bindings
        .filter_map(|found| stuck(&found.last_operation))
        .chain(routes.filter_map(|found| stuck(&found.last_operation)))
        .collect()
}

fn job_of(state: &State, id: JobId) -> Option<(Job, Doomed, Actor)> {
    let job = state.jobs.get(&id)?;
    match job.work.clone()? {
        Work::Delete { doomed, by } => Some((Job::clone(job), doomed, by)),
        Work::Bind { .. } => None,
    }
}

/// Begins to delete what belongs to something that shall go.
fn begin(tx: &mut Tx, id: JobId, now: Timestamp) {
    let Some((job, doomed, by)) = job_of(tx, id) else {
        return;
    };
    let since = job.created_at;
    let parts = tx.parts_of(doomed);
    for id in parts.services {
        let Some(service) = tx.services.get(&id).cloned() else {
            continue;
        };
        if may_begin(&service.last_operation, service.errand.as_ref(), since) {
            if let Some(job) = service.errand.as_ref().and_then(|errand| errand.job) {
                tx.cancel_job(job, "create", "delete in progress", now);
            }
            tx.begin_to_delete(&service, &by, None, now);
        }
    }
    for binding in parts.bindings {
        begin_binding(tx, binding, &by, since, now);
    }
    for binding in parts.route_bindings {
        begin_route(tx, binding, &by, since, now);
    }
}

/// Does what a job waited for; the apps whose logs can go.
fn finish(tx: &mut Tx, id: JobId, now: Timestamp) -> Vec<crate::model::AppId> {
    let mut gone = Vec::new();
    if let Some((_, doomed, by)) = job_of(tx, id) {
        match doomed {
            Doomed::App(app) => {
                gone.push(app);
                cascade::delete_app(tx, app);
            }
            Doomed::Route(route) => cascade::delete_route(tx, route),
            Doomed::Domain(domain) => cascade::delete_domain(tx, domain),
            Doomed::Share(service, space) => {
                if let Some(service) = tx.services.get(&service).cloned() {
                    let mut service = Service::clone(&service);
                    service.shared_with.remove(&space);
                    service.updated_at = now;
                    tx.put(service.clone());
                    let data = serde_json::json!({ "target_space_guid": space.to_string() });
                    note_service(tx, &by, "unshare", &service, data, now);
                }
            }
            Doomed::Space(space) => {
                gone.extend(tx.apps_of(space).map(|app| app.id));
                end_use_in_space(tx, space, now);
                cascade::delete_space(tx, space);
            }
            Doomed::Org(org) => {
                let spaces: Vec<_> = tx.spaces_of(org).map(|space| space.id).collect();
                for space in spaces {
                    gone.extend(tx.apps_of(space).map(|app| app.id));
                    end_use_in_space(tx, space, now);
                }
                cascade::delete_org(tx, org);
            }
        }
    }
    tell(tx, Some(id), Ok(JobState::Complete), now);
    gone
}

/// Says why it does not come about.
fn fail(tx: &mut Tx, id: JobId, now: Timestamp) {
    let error = match tx.jobs.get(&id).and_then(|job| job.work.clone()) {
        Some(Work::Bind { bindings }) => {
            let mut texts = bindings.iter().filter_map(|id| {
                let binding = tx.bindings.get(id)?;
                let service = tx.services.get(&binding.service)?;
                let last = &binding.last_operation;
                (last.state == OperationState::Failed)
                    .then(|| format!("For service '{}': {}", service.name, last.description))
            });
            let text = texts.next();
            drop(texts);
            words::error(Error::unprocessable(text.unwrap_or_else(|| {
                "A service binding was deleted while it was made.".to_owned()
            })))
        }
        _ => match job_of(tx, id) {
            Some((job, doomed, _)) => why_not(tx, &job, doomed),
            None => return,
        },
    };
    tell(tx, Some(id), Err(error), now);
}

/// Why something stays, with a line for each thing in it that did not go.
fn why_not(state: &State, job: &Job, doomed: Doomed) -> JobError {
    let parts = state.parts_of(doomed);
    let since = job.created_at;
    let stuck = |last: &crate::model::Operation| {
        let failed = last.is(OperationKind::Delete, OperationState::Failed);
        (failed && last.updated_at >= since).then(|| last.description.clone())
    };
    let mut lines = Vec::new();
    for id in &parts.services {
        let service = state.services.get(id);
        lines.extend(service.and_then(|found| stuck(&found.last_operation)));
    }
    for id in &parts.bindings {
        let binding = state.bindings.get(id);
        lines.extend(binding.and_then(|found| stuck(&found.last_operation)));
    }
    for id in &parts.route_bindings {
        let binding = state.route_bindings.get(id);
        lines.extend(binding.and_then(|found| stuck(&found.last_operation)));
    }
    let listed: Vec<_> = lines.iter().map(|line| format!("\t{line}")).collect();
    let listed = listed.join("\n\n");
    let failed = |what: &str, name: &str| {
        format!(
            "Deletion of {what} {name} failed because one or more resources within could not be \
             deleted.\n\n{listed}"
        )
    };
    let error = match doomed {
        Doomed::Space(id) => {
            let name = state.spaces.get(&id).map(|space| space.name.to_string());
            Error::space_deletion_failed(failed("space", &name.unwrap_or_default()))
        }
        Doomed::Org(id) => {
            let name = state.orgs.get(&id).map(|org| org.name.to_string());
            Error::organization_deletion_failed(failed("organization", &name.unwrap_or_default()))
        }
        Doomed::App(_) | Doomed::Route(_) | Doomed::Domain(_) | Doomed::Share(..) => {
            Error::unprocessable(lines.join("\n\n"))
        }
    };
    words::error(error)
}
