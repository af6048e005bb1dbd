//! Bindings to routes: asked for, ended, and how far that is.

use serde_json::json;

use super::{
    act::{tell, write_down},
    bindings::{Heard, Look, request},
    orphans, words,
};
use crate::{
    brokers::{Target, leaves_orphan},
    model::{Errand, JobState, OperationState, OrphanId, RouteBinding, RouteBindingId, Timestamp},
    reconcile::Deps,
    store::{Tx, service_events::note_route_binding},
};

/// Asks about a binding, and writes down what came of it.
pub(super) async fn call(deps: &Deps, id: RouteBindingId) {
    let state = deps.store.state();
    let Some(binding) = state.route_bindings.get(&id).cloned() else {
        return;
    };
    let Some(errand) = binding.errand.clone() else {
        return;
    };
    let Some(service) = state.services.get(&binding.service) else {
        return;
    };
    let Some(origin) = state.origin_of(service) else {
        return;
    };
    let route = state.routes.get(&binding.route);
    let url = route.and_then(|route| {
        let domain = state.domains.get(&route.domain)?;
        Some(route.url(&domain.name))
    });
    let look = Look {
        deps,
        state: &state,
        service,
        origin,
        kind: binding.last_operation.kind,
        errand: &errand,
        target: Target::instance(service.id, origin.1, origin.0).route_binding(id),
        resource: json!({ "route": url }),
    };
    let heard = look.hear().await;
    write_down(deps, |tx, now| settle(tx, &binding, &errand, &heard, now)).await;
}

/// Writes down what came of it, unless something else came in the way meanwhile.
fn settle(tx: &mut Tx, before: &RouteBinding, errand: &Errand, heard: &Heard, now: Timestamp) {
    let Some(binding) = tx.route_bindings.get(&before.id) else {
        return;
    };
    if binding.errand.as_ref() != Some(errand) {
        return;
    }
    let mut binding = RouteBinding::clone(binding);
    let Some(service) = tx.services.get(&binding.service).cloned() else {
        return;
    };
    let last = binding.last_operation.clone();
    match heard {
        Heard::Gone => {
            end(tx, &binding, errand, now);
            tell(tx, errand.job, Ok(JobState::Complete), now);
        }
        Heard::Made(bound) => {
            binding
                .route_service_url
                .clone_from(&bound.route_service_url);
            binding.errand = None;
            binding.last_operation = last.to(OperationState::Succeeded, "", now);
            binding.updated_at = now;
            tx.put(binding.clone());
            note_route_binding(tx, &errand.by, "create", &binding, now);
            tell(tx, errand.job, Ok(JobState::Complete), now);
        }
        Heard::Begun {
            operation,
            retry_after,
        } => {
            let plan = tx.origin_of(&service).map(|(plan, ..)| plan);
            let stage = plan.map(|plan| words::begun(plan, operation.clone(), *retry_after, now));
            binding.errand = stage.map(|stage| Errand {
                stage,
                ..errand.clone()
            });
            binding.last_operation = last.to(OperationState::InProgress, "", now);
            tx.put(binding.clone());
            let verb = match request(last.kind) {
                crate::brokers::Request::Unbind => "start_delete",
                _ => "start_create",
            };
            note_route_binding(tx, &errand.by, verb, &binding, now);
            tell(tx, errand.job, Ok(JobState::Polling), now);
        }
        Heard::StillAt { words, retry_after } => {
            let words = words.clone().unwrap_or_else(|| last.description.clone());
            binding.last_operation = last.to(OperationState::InProgress, words, now);
            binding.errand = Some(Errand {
                stage: words::polled(&errand.stage, *retry_after, now),
                ..errand.clone()
            });
            tx.put(binding);
        }
        Heard::Failed {
            error,
            words,
            outcome,
        } => {
            binding.errand = None;
            binding.last_operation = last.to(OperationState::Failed, words.as_str(), now);
            let id = binding.id.uuid();
            tx.put(binding);
            if leaves_orphan(request(last.kind), *outcome) {
                let at = orphans::first(last.kind, now);
                tx.leave_orphan(&service, Some(id), &errand.by, at, now);
            }
            tell(tx, errand.job, Err(error.clone()), now);
        }
    }
}

/// Forgets a binding that its broker has ended.
pub(super) fn end(tx: &mut Tx, binding: &RouteBinding, errand: &Errand, now: Timestamp) {
    note_route_binding(tx, &errand.by, "delete", binding, now);
    tx.delete(OrphanId::from_uuid(binding.id.uuid()));
    tx.delete(binding.id);
}
