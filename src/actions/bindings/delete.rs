//! Ending bindings.

use super::{find, jobs::open_job, refuse};
use crate::{
    actions::{ActionError, Actions, Caller},
    authz::Verb,
    model::{Binding, BindingId, Errand, Job, Operation, OperationKind, Service},
    store::service_events::note_unbound,
};

impl Actions {
    /// Ends a binding: of a user-provided instance at once; of a managed one its broker does, and
    /// the job tells how far that is.
    ///
    /// # Errors
    /// Where the caller may not, or the broker is at it.
    pub async fn delete_binding(
        &self,
        caller: &Caller,
        id: BindingId,
    ) -> Result<Option<Job>, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let seen = find(tx, caller, Verb::ReadSpace, id)?;
                let verb = match seen.app {
                    Some(_) => Verb::OperateApps,
                    None => Verb::WriteApps,
                };
                let binding = find(tx, caller, verb, id)?;
                let service = tx.services.get(&binding.service).cloned();
                let managed = service.as_deref().filter(|service| service.is_managed());
                let Some(service) = managed else {
                    tx.delete(id);
                    note_unbound(tx, &caller.actor(), "delete", &binding, now);
                    return Ok(None);
                };
                check_idle(service, &binding.last_operation, binding.errand.as_ref())?;
                if let Some(job) = binding.errand.as_ref().and_then(|errand| errand.job) {
                    tx.cancel_job(job, "bind", "delete in progress", now);
                }
                let operation = match binding.app {
                    Some(_) => "service_bindings.delete",
                    None => "service_keys.delete",
                };
                let about = ("service_credential_bindings", id);
                let job = open_job(tx, operation, about, now);
                tx.begin_to_unbind(&binding, &caller.actor(), Some(job.id), now);
                Ok(Some(job))
            })
            .await
    }
}

/// Whether a binding is on its way out.
pub(super) fn is_going(binding: &Binding) -> bool {
    binding.errand.is_some() && binding.last_operation.kind == OperationKind::Delete
}

/// Passes where neither the instance nor its binding is at something that has to end first.
pub(in crate::actions) fn check_idle(
    service: &Service,
    last: &Operation,
    errand: Option<&Errand>,
) -> Result<(), ActionError> {
    let creating = last.kind == OperationKind::Create;
    // What is being made can be given up once the broker has begun.
    if errand.is_some_and(|errand| !(creating && errand.is_polled())) {
        return refuse("There is an operation in progress for the service binding.");
    }
    if service.errand.is_some() {
        return refuse("There is an operation in progress for the service instance.");
    }
    Ok(())
}
