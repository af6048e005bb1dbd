//! What may be left at brokers, which are asked to delete it until they say that it is gone.

use std::time::Duration;

use super::{act::write_down, bindings, instances, route_bindings, words::later};
use crate::{
    brokers::{Asked, Progress, Target},
    model::{
        BindingId, Errand, OperationKind, OperationState, Orphan, OrphanId, RouteBindingId,
        Timestamp,
    },
    reconcile::Deps,
    store::Tx,
};

/// From a failed deletion to the next try: whoever asked for it may well do so again.
const AFTER_DELETE: Duration = Duration::from_secs(30);
/// From the first try to the second; then twice as long each time.
const FIRST: Duration = Duration::from_secs(5);
/// The longest time between tries.
const MOST: Duration = Duration::from_secs(60 * 60);
/// How long a broker is asked; by then somebody has to look.
const FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// When a broker is first asked to delete what may be left of a failed operation.
pub(super) fn first(kind: OperationKind, now: Timestamp) -> Timestamp {
    match kind {
        OperationKind::Create | OperationKind::Update => now,
        OperationKind::Delete => later(now, AFTER_DELETE),
    }
}

/// Asks for one to be deleted, and writes down what came of it.
pub(super) async fn call(deps: &Deps, id: OrphanId) {
    let state = deps.store.state();
    let Some(orphan) = state.orphans.get(&id).cloned() else {
        return;
    };
    let Some(broker) = state.brokers.get(&orphan.broker) else {
        // Nobody is left to be asked.
        write_down(deps, |tx, _| tx.delete(id)).await;
        return;
    };
    let asked = Asked {
        brokers: &deps.brokers,
        broker,
        by: &orphan.by,
    };
    let answer = asked.delete(&Target::orphan(&orphan)).await;
    let gone = match answer.and_then(|answer| answer.deleted()) {
        Ok(Progress::Done) => true,
        // It is asked again, until it says that nothing is there.
        Ok(Progress::Begun(_)) => false,
        Err(error) => {
            tracing::warn!(
                broker = broker.name,
                instance = %orphan.instance,
                orphan = %orphan.id,
                %error,
                "a service broker does not delete what it may have made"
            );
            false
        }
    };
    write_down(deps, |tx, now| settle(tx, &orphan, gone, now)).await;
}

fn settle(tx: &mut Tx, orphan: &Orphan, gone: bool, now: Timestamp) {
    let Some(found) = tx.orphans.get(&orphan.id).cloned() else {
        return;
    };
    if !gone {
        if now.since(orphan.created_at) > crate::stdx::clock::millis(FOR) {
            tracing::error!(
                instance = %orphan.instance,
                orphan = %orphan.id,
                "giving up: what a service broker may have made was not deleted in a week"
            );
            tx.delete(orphan.id);
            return;
        }
        let wait = FIRST.saturating_mul(1 << orphan.tries.min(16)).min(MOST);
        let mut orphan = Orphan::clone(&found);
        orphan.tries = orphan.tries.saturating_add(1);
        orphan.next_at = later(now, wait);
        tx.put(orphan);
        return;
    }
    tx.delete(orphan.id);
    // What was to be deleted, and could not be, is gone now.
    let errand = Errand::new(None, orphan.by.clone());
    let failed = |last: &crate::model::Operation, open: bool| {
        !open && last.is(OperationKind::Delete, OperationState::Failed)
    };
    let uuid = orphan.id.uuid();
    if !orphan.binding {
        let service = tx.services.get(&orphan.instance).cloned();
        if let Some(service) =
            service.filter(|found| failed(&found.last_operation, found.errand.is_some()))
        {
            instances::end(tx, &service, &errand, now);
        }
        return;
    }
    let binding = tx.bindings.get(&BindingId::from_uuid(uuid)).cloned();
    if let Some(binding) =
        binding.filter(|found| failed(&found.last_operation, found.errand.is_some()))
    {
        bindings::end(tx, &binding, &errand, now);
    }
    let route = tx
        .route_bindings
        .get(&RouteBindingId::from_uuid(uuid))
        .cloned();
    if let Some(binding) =
        route.filter(|found| failed(&found.last_operation, found.errand.is_some()))
    {
        route_bindings::end(tx, &binding, &errand, now);
    }
}
