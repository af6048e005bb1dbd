//! What is not shown with a binding: credentials and parameters.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{WHAT, find};
use crate::{
    actions::{ActionError, Actions, Caller},
    authz::Verb,
    brokers::{Asked, Target},
    model::{Binding, BindingId, Operation, OperationKind, OperationState, Service},
    store::service_events::note_binding,
    wire::Error,
};

impl Actions {
    /// The binding and what it is to, for looking at its credentials; the audit trail is told.
    ///
    /// # Errors
    /// [`ActionError::NotFound`] where the caller may not see them, as in Cloud Foundry.
    pub async fn bound_service(
        &self,
        caller: &Caller,
        id: BindingId,
    ) -> Result<(Arc<Binding>, Arc<Service>), ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let binding = find(tx, caller, Verb::ReadCredentials, id);
                let binding = binding.map_err(|_| ActionError::NotFound(WHAT))?;
                check_made(&binding.last_operation, "credential binding")?;
                let service = tx.services.get(&binding.service).cloned();
                let service = service.ok_or(ActionError::NotFound(WHAT))?;
                note_binding(tx, &caller.actor(), "show", &binding, json!({}), now);
                Ok((binding, service))
            })
            .await
    }

    /// The parameters that a binding was made with, as its broker knows them.
    ///
    /// # Errors
    /// Where the caller may not see it, or the broker does not tell.
    pub async fn binding_parameters(
        &self,
        caller: &Caller,
        id: BindingId,
    ) -> Result<Map<String, Value>, ActionError> {
        let state = self.store.state();
        let binding = find(&state, caller, Verb::ReadSpace, id)?;
        check_made(&binding.last_operation, "credential binding")?;
        let service = state.services.get(&binding.service);
        let origin = service.and_then(|service| state.origin_of(service));
        let told = origin.filter(|(_, offering, _)| offering.terms.bindings_retrievable);
        let Some((plan, offering, broker)) = told else {
            return Err(ActionError::Listed(Error::no_binding_parameters(
                "This service does not support fetching service binding parameters.",
            )));
        };
        let asked = Asked {
            brokers: &self.brokers,
            broker,
            by: &caller.actor(),
        };
        let target = Target::instance(binding.service, offering, plan).binding(id);
        let answer = asked.see(&target).await?;
        let fetched = answer.binding_fetched(&offering.terms.requires)?;
        Ok(fetched.parameters.unwrap_or_default())
    }
}

/// Passes where the last operation left a binding, in Cloud Foundry's words.
pub(in crate::actions) fn check_made(last: &Operation, what: &str) -> Result<(), ActionError> {
    if last.kind != OperationKind::Create || last.state == OperationState::Succeeded {
        return Ok(());
    }
    let state = match last.state {
        OperationState::Failed => "failed",
        OperationState::Initial => "initial",
        OperationState::InProgress | OperationState::Succeeded => "in progress",
    };
    let text = format!("Creation of {what} {state}");
    Err(ActionError::Listed(Error::not_found_detail(text)))
}
