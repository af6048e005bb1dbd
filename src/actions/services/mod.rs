//! Service instances.

mod create;
mod delete;
mod plans;
mod read;
mod share;
mod update;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{ActionError, Actions, Caller, bindings, cascade, jobs};
use crate::{
    authz::Verb,
    model::{Job, Service, ServiceId, ServiceName, SpaceId},
    store::{State, service_events::HIDDEN},
    wire::service::Settings,
};

const WHAT: &str = "Service instance";

/// What saving an instance comes to.
#[derive(Debug)]
pub enum Saved {
    /// It is saved.
    Done(Box<Service>),
    /// The broker has to be asked first.
    Begun(Box<Job>),
}

impl Actions {
    /// The service instances that the caller may see: those of their spaces, and those that are
    /// shared with one.
    #[must_use]
    pub fn services(&self, caller: &Caller) -> Vec<Arc<Service>> {
        let state = self.store.state();
        let services = state.services.values();
        services
            .filter(|service| sees(&state, caller, service))
            .cloned()
            .collect()
    }

    /// The service instance, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn service(&self, caller: &Caller, id: ServiceId) -> Result<Arc<Service>, ActionError> {
        find(&self.store.state(), caller, Verb::ReadSpace, id)
    }

    /// The service instance, if the caller may see the space that it is of: whom it is shared
    /// with is not told those whom it is shared with.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn owned_service(
        &self,
        caller: &Caller,
        id: ServiceId,
    ) -> Result<Arc<Service>, ActionError> {
        let state = self.store.state();
        let found = find(&state, caller, Verb::ReadSpace, id)?;
        caller.need_in_space(&state, Verb::ReadSpace, found.space, "Service instance")?;
        Ok(found)
    }
}

/// Whether the caller sees an instance.
pub(super) fn sees(state: &State, caller: &Caller, service: &Service) -> bool {
    let sees = |space: SpaceId| caller.may_in_space(state, Verb::ReadSpace, space);
    sees(service.space) || service.shared_with.iter().any(|space| sees(*space))
}

/// The service instance, where the caller may do `verb` to it: to see it, a space that it is
/// shared with does; anything else is for those of its own.
pub(super) fn find(
    state: &State,
    caller: &Caller,
    verb: Verb,
    id: ServiceId,
) -> Result<Arc<Service>, ActionError> {
    let service = state.services.get(&id);
    let service = service.filter(|service| sees(state, caller, service));
    let service = service.ok_or(ActionError::NotFound(WHAT))?;
    if verb == Verb::ReadSpace {
        return Ok(Arc::clone(service));
    }
    match caller.need_in_space(state, verb, service.space, WHAT) {
        Ok(()) => Ok(Arc::clone(service)),
        Err(ActionError::NotFound(_)) => Err(ActionError::Forbidden),
        Err(error) => Err(error),
    }
}

fn unique(
    state: &State,
    space: SpaceId,
    name: &ServiceName,
    but: Option<ServiceId>,
) -> Result<(), ActionError> {
    let taken = || {
        Err(ActionError::Unprocessable(format!(
            "The service instance name is taken: {name}."
        )))
    };
    if let Some(other) = state.service_by_name(space, name)
        && Some(other.id) != but
    {
        return taken();
    }
    let mut shared = state.services_shared_with(space);
    if shared.any(|other| other.name.to_lowercase() == name.to_lowercase()) {
        return taken();
    }
    Ok(())
}

/// What the audit trail is told of a request: no credentials, nor URLs, which may hold some.
fn told(name: Option<&ServiceName>, settings: &Settings, kind: Option<&str>) -> Value {
    let hidden = |said: bool| said.then_some(HIDDEN);
    let mut request = json!({
        "name": name,
        "type": kind,
        "credentials": hidden(settings.credentials.is_some()),
        "syslog_drain_url": hidden(settings.syslog_drain_url.is_some()),
        "route_service_url": hidden(settings.route_service_url.is_some()),
        "parameters": hidden(settings.parameters.is_some()),
        "tags": settings.tags,
        "metadata": settings.metadata,
    });
    if let Value::Object(members) = &mut request {
        members.retain(|_, value| !value.is_null());
    }
    json!({ "request": request })
}

fn refuse<T>(text: impl Into<String>) -> Result<T, ActionError> {
    Err(ActionError::Unprocessable(text.into()))
}
