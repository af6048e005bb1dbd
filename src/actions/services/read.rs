//! What is not shown with a service instance: credentials and parameters.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{WHAT, find};
use crate::{
    actions::{ActionError, Actions, Caller},
    authz::Verb,
    brokers::{Asked, Target},
    model::{Credentials, OperationKind, OperationState, Service, ServiceId},
    store::service_events::note_service,
    wire::Error,
};

impl Actions {
    /// The credentials of a user-provided instance; the audit trail is told.
    ///
    /// # Errors
    /// Where the caller may not see it or not its credentials, or a broker made it.
    pub async fn service_credentials(
        &self,
        caller: &Caller,
        id: ServiceId,
    ) -> Result<Credentials, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let service = find(tx, caller, Verb::ReadCredentials, id)?;
                let credentials = service.credentials().cloned();
                let credentials = credentials.ok_or(ActionError::NotFound(WHAT))?;
                note_service(tx, &caller.actor(), "show", &service, json!({}), now);
                Ok(credentials)
            })
            .await
    }

    /// The parameters that a managed instance was made with, as its broker knows them.
    ///
    /// # Errors
    /// Where the caller may not, or the broker does not tell.
    pub async fn service_parameters(
        &self,
        caller: &Caller,
        id: ServiceId,
    ) -> Result<Map<String, Value>, ActionError> {
        let state = self.store.state();
        let service: Arc<Service> = find(&state, caller, Verb::ReadSpace, id)?;
        if !caller.may_in_space(&state, Verb::ReadSpace, service.space) {
            return Err(ActionError::Forbidden);
        }
        let last = &service.last_operation;
        let origin = state.origin_of(&service);
        let told = origin.filter(|(_, offering, _)| offering.terms.instances_retrievable);
        let Some((plan, offering, broker)) = told else {
            return Err(ActionError::Listed(Error::no_instance_parameters(
                "This service does not support fetching service instance parameters.",
            )));
        };
        if last.is(OperationKind::Create, OperationState::Failed) {
            return Err(ActionError::NotFound(WHAT));
        }
        if service.errand.is_some() {
            return Err(super::update::in_progress(&service));
        }
        let asked = Asked {
            brokers: &self.brokers,
            broker,
            by: &caller.actor(),
        };
        let target = Target::instance(id, offering, plan);
        let fetched = asked.see(&target).await?.instance_fetched()?;
        Ok(fetched.parameters.unwrap_or_default())
    }
}
