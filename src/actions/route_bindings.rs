//! Bindings of service instances to routes.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    ActionError, Actions, Caller,
    bindings::{NO_PARAMETERS, check_idle, check_made},
    jobs::open_job,
};
use crate::{
    authz::Verb,
    brokers::{Asked, Target},
    model::{
        Credentials, Errand, Job, Metadata, Operation, OperationKind, OperationState, Route,
        RouteBinding, RouteBindingId, RouteId, Service, ServiceId,
    },
    store::{State, Tx, service_events::note_route_binding},
    wire::{Error, package::Update, route_binding::Create, service::wrong_with_object},
};

const WHAT: &str = "Service route binding";

/// What making a binding of a route comes to.
#[derive(Debug)]
pub enum RouteBound {
    /// It is made.
    Done(Box<RouteBinding>),
    /// The broker has to be asked first.
    Begun(Box<Job>),
}

impl Actions {
    /// The bindings of routes that the caller may see.
    #[must_use]
    pub fn route_bindings(&self, caller: &Caller) -> Vec<Arc<RouteBinding>> {
        let state = self.store.state();
        let bindings = state.route_bindings.values();
        bindings
            .filter(|binding| find(&state, caller, Verb::ReadSpace, binding.id).is_ok())
            .cloned()
            .collect()
    }

    /// The binding, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn route_binding(
        &self,
        caller: &Caller,
        id: RouteBindingId,
    ) -> Result<Arc<RouteBinding>, ActionError> {
        find(&self.store.state(), caller, Verb::ReadSpace, id)
    }

    /// Binds a service instance to a route.
    ///
    /// # Errors
    /// Where the caller may not, or the two cannot be bound.
    pub async fn create_route_binding(
        &self,
        caller: &Caller,
        body: Create,
    ) -> Result<RouteBound, ActionError> {
        let mut metadata = Metadata::default();
        body.metadata
            .apply(&mut metadata)
            .map_err(ActionError::Unprocessable)?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let service = named_service(tx, caller, &body)?;
                let route = named_route(tx, caller, &body)?;
                let managed = service.is_managed();
                if body.parameters.is_some() && !managed {
                    return refuse(NO_PARAMETERS);
                }
                let parameters = body.parameters.map(|parameters| parameters.0);
                let wrong = parameters.as_ref();
                let wrong = wrong.and_then(|given| wrong_with_object("Parameters", given));
                if let Some(wrong) = wrong {
                    return refuse(wrong);
                }
                check(tx, &service, &route)?;
                if let Some(failed) = check_free(tx, &service, &route)? {
                    let orphan = Some(failed.uuid());
                    tx.leave_orphan(&service, orphan, &caller.actor(), now, now);
                    tx.delete(failed);
                }
                let mut binding = RouteBinding {
                    id: RouteBindingId::random(),
                    service: service.id,
                    route: route.id,
                    route_service_url: service.route_service_url().map(str::to_owned),
                    last_operation: Operation::done(OperationKind::Create, now),
                    errand: None,
                    metadata,
                    created_at: now,
                    updated_at: now,
                };
                if !managed {
                    tx.put(binding.clone());
                    note_route_binding(tx, &caller.actor(), "create", &binding, now);
                    return Ok(RouteBound::Done(Box::new(binding)));
                }
                let about = ("service_route_bindings", binding.id);
                let job = open_job(tx, "service_route_bindings.create", about, now);
                let mut errand = Errand::new(Some(job.id), caller.actor());
                errand.parameters = parameters.map(Credentials);
                binding.errand = Some(errand);
                binding.last_operation = Operation::begun(OperationKind::Create, now);
                tx.put(binding);
                Ok(RouteBound::Begun(Box::new(job)))
            })
            .await
    }

    /// Changes a binding's labels and annotations.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn update_route_binding(
        &self,
        caller: &Caller,
        id: RouteBindingId,
        body: Update,
    ) -> Result<RouteBinding, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let found = find(tx, caller, Verb::WriteApps, id)?;
                let mut binding = RouteBinding::clone(&found);
                let deleting = binding.last_operation.kind == OperationKind::Delete;
                if binding.errand.is_some() && deleting {
                    return refuse("The service route binding is being deleted");
                }
                body.metadata
                    .apply(&mut binding.metadata)
                    .map_err(ActionError::Unprocessable)?;
                binding.updated_at = now;
                tx.put(binding.clone());
                note_route_binding(tx, &caller.actor(), "update", &binding, now);
                Ok(binding)
            })
            .await
    }

    /// Ends a binding: of a user-provided instance at once; of a managed one its broker does.
    ///
    /// # Errors
    /// Where the caller may not, or the broker is at it.
    pub async fn delete_route_binding(
        &self,
        caller: &Caller,
        id: RouteBindingId,
    ) -> Result<Option<Job>, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let binding = find(tx, caller, Verb::OperateApps, id)?;
                let service = tx.services.get(&binding.service).cloned();
                let managed = service.as_deref().filter(|service| service.is_managed());
                let Some(service) = managed else {
                    note_route_binding(tx, &caller.actor(), "delete", &binding, now);
                    tx.delete(id);
                    return Ok(None);
                };
                check_idle(service, &binding.last_operation, binding.errand.as_ref())?;
                if let Some(job) = binding.errand.as_ref().and_then(|errand| errand.job) {
                    tx.cancel_job(job, "bind", "delete in progress", now);
                }
                let about = ("service_route_bindings", id);
                let job = open_job(tx, "service_route_bindings.delete", about, now);
                tx.begin_to_unbind_route(&binding, &caller.actor(), Some(job.id), now);
                Ok(Some(job))
            })
            .await
    }

    /// The parameters that a binding was made with, as its broker knows them.
    ///
    /// # Errors
    /// Where the caller may not, or the broker does not tell.
    pub async fn route_binding_parameters(
        &self,
        caller: &Caller,
        id: RouteBindingId,
    ) -> Result<Map<String, Value>, ActionError> {
        let state = self.store.state();
        let binding = find(&state, caller, Verb::ReadSpace, id)?;
        check_made(&binding.last_operation, "route binding")?;
        find(&state, caller, Verb::WriteApps, id)?;
        let service = state.services.get(&binding.service);
        if service.is_some_and(|service| !service.is_managed()) {
            return bad(
                "Bad request: user provided service instances do not support fetching route \
                 bindings parameters.",
            );
        }
        let origin = service.and_then(|service| state.origin_of(service));
        let told = origin.filter(|(_, offering, _)| offering.terms.bindings_retrievable);
        let Some((plan, offering, broker)) = told else {
            return bad(
                "Bad request: this service does not support fetching route bindings parameters.",
            );
        };
        let asked = Asked {
            brokers: &self.brokers,
            broker,
            by: &caller.actor(),
        };
        let target = Target::instance(binding.service, offering, plan).route_binding(id);
        let answer = asked.see(&target).await?;
        let fetched = answer.binding_fetched(&offering.terms.requires)?;
        Ok(fetched.parameters.unwrap_or_default())
    }
}

fn refuse<T>(text: impl Into<String>) -> Result<T, ActionError> {
    Err(ActionError::Unprocessable(text.into()))
}

fn bad<T>(text: &str) -> Result<T, ActionError> {
    Err(ActionError::BadRequest(text.to_owned()))
}

/// The binding, where the caller may do `verb` to it: it is where its instance is.
fn find(
    state: &State,
    caller: &Caller,
    verb: Verb,
    id: RouteBindingId,
) -> Result<Arc<RouteBinding>, ActionError> {
    let missing = ActionError::NotFound(WHAT);
    let Some(binding) = state.route_bindings.get(&id) else {
        return Err(missing);
    };
    let Some(service) = state.services.get(&binding.service) else {
        return Err(missing);
    };
    caller.need_in_space(state, verb, service.space, WHAT)?;
    Ok(Arc::clone(binding))
}

fn named_service(tx: &Tx, caller: &Caller, body: &Create) -> Result<Service, ActionError> {
    let named = &body.relationships.service_instance;
    let id: Option<ServiceId> = named.id();
    let found = id.and_then(|id| tx.services.get(&id));
    let found = found.filter(|found| caller.may_in_space(tx, Verb::ReadSpace, found.space));
    let Some(found) = found else {
        let guid = named.data.as_ref().map_or("", |named| &named.guid);
        return refuse(format!("The service instance could not be found: {guid}"));
    };
    caller.need_in_space(tx, Verb::OperateApps, found.space, "Service instance")?;
    Ok(Service::clone(found))
}

fn named_route(tx: &Tx, caller: &Caller, body: &Create) -> Result<Route, ActionError> {
    let named = &body.relationships.route;
    let id: Option<RouteId> = named.id();
    let found = id.and_then(|id| tx.routes.get(&id));
    let found = found.filter(|found| caller.may_in_space(tx, Verb::ReadSpace, found.space));
    let Some(found) = found else {
        let guid = named.data.as_ref().map_or("", |named| &named.guid);
        return refuse(format!("The route could not be found: {guid}"));
    };
    Ok(Route::clone(found))
}

fn check(state: &State, service: &Service, route: &Route) -> Result<(), ActionError> {
    let able = match state.origin_of(service) {
        None => service.route_service_url().is_some(),
        Some((plan, offering, _)) => {
            if !offering.terms.requires("route_forwarding") {
                return refuse("This service instance does not support route binding");
            }
            if !plan.bindable(offering) {
                return refuse("This service instance does not support binding");
            }
            true
        }
    };
    if !able {
        return refuse("This service instance does not support route binding");
    }
    let domain = state.domains.get(&route.domain);
    if domain.is_some_and(|domain| domain.internal) {
        return refuse("Route services cannot be bound to internal routes");
    }
    if route.port.is_some() {
        return refuse("Route services cannot be bound to TCP routes");
    }
    if route.space != service.space {
        return refuse("The service instance and the route are in different spaces");
    }
    if service.is_managed() {
        let last = &service.last_operation;
        if service.errand.is_some() {
            return refuse("There is an operation in progress for the service instance");
        }
        if last.is(OperationKind::Create, OperationState::Failed) {
            return refuse("Service instance not found");
        }
    }
    Ok(())
}

/// A binding of the two that could not be made and gives way, if there is one; the route must not
/// be bound otherwise.
fn check_free(
    state: &State,
    service: &Service,
    route: &Route,
) -> Result<Option<RouteBindingId>, ActionError> {
    let mut failed = None;
    for binding in state.route_bindings_of(route.id) {
        let last = &binding.last_operation;
        let idle = binding.errand.is_none();
        if binding.service != service.id {
            return refuse("A route may only be bound to a single service instance");
        }
        if idle && last.is(OperationKind::Create, OperationState::Failed) {
            failed = Some(binding.id);
        } else if last.kind == OperationKind::Delete {
            return refuse("The binding is getting deleted or its deletion failed");
        } else {
            return Err(ActionError::Listed(Error::bound_to_same_route(
                "The route and service instance are already bound.",
            )));
        }
    }
    Ok(failed)
}
