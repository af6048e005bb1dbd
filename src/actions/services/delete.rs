//! Deleting service instances.

use serde_json::json;

use super::{cascade, find, jobs::open_job, refuse};
use crate::{
    actions::{ActionError, Actions, Caller, brokers::need_write},
    authz::Verb,
    model::{Job, OperationKind, Service, ServiceId, Timestamp, UsageState},
    store::{
        Tx,
        service_events::{note_route_binding, note_service, note_unbound, use_service},
    },
};

impl Actions {
    /// Deletes a service instance with its bindings: a user-provided one at once; a managed one
    /// is deleted by its broker, its bindings first, and the job tells how far that is.
    ///
    /// # Errors
    /// Where the caller may not, or the broker is at it.
    pub async fn delete_service(
        &self,
        caller: &Caller,
        id: ServiceId,
    ) -> Result<Option<Job>, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let service = find(tx, caller, Verb::WriteApps, id)?;
                if !service.is_managed() {
                    end(tx, caller, &service, "delete", now);
                    return Ok(None);
                }
                let creating = service.last_operation.kind == OperationKind::Create;
                let polled = service.errand.as_ref().map(|errand| errand.is_polled());
                // What is being made can be given up once the broker has begun.
                if service.errand.is_some() && !(creating && polled == Some(true)) {
                    return refuse("There is an operation in progress for the service instance.");
                }
                if let Some(errand) = &service.errand
                    && let Some(job) = errand.job
                {
                    tx.cancel_job(job, "create", "delete in progress", now);
                }
                let about = ("service_instances", id);
                let job = open_job(tx, "service_instance.delete", about, now);
                tx.begin_to_delete(&service, &caller.actor(), Some(job.id), now);
                Ok(Some(job))
            })
            .await
    }

    /// Forgets a service instance with its bindings; its broker hears nothing. For a managed one
    /// that is for who may change the broker.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn purge_service(&self, caller: &Caller, id: ServiceId) -> Result<(), ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let service = find(tx, caller, Verb::WriteApps, id)?;
                if let Some((.., broker)) = tx.origin_of(&service) {
                    let denied = need_write(tx, caller, broker);
                    denied.map_err(|_| ActionError::Forbidden)?;
                }
                end(tx, caller, &service, "purge", now);
                Ok(())
            })
            .await
    }
}

/// Deletes an instance with its bindings, past any broker.
fn end(tx: &mut Tx, caller: &Caller, service: &Service, verb: &str, now: Timestamp) {
    let by = caller.actor();
    let bound: Vec<_> = tx.bindings_of_service(service.id).cloned().collect();
    for binding in bound {
        note_unbound(tx, &by, "delete", &binding, now);
    }
    let routes: Vec<_> = tx.route_bindings_of_service(service.id).cloned().collect();
    for binding in routes {
        note_route_binding(tx, &by, "delete", &binding, now);
    }
    use_service(tx, UsageState::Deleted, service, now);
    cascade::delete_service(tx, service.id);
    note_service(tx, &by, verb, service, json!({}), now);
}
