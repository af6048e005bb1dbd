//! Service instances.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    ActionError, Actions, Caller,
    audit::{audit, target},
    bindings, cascade,
    roles::readable_space,
};
use crate::{
    authz::{Place, Verb},
    model::{
        AppId, Credentials, Metadata, Operation, OperationKind, Service, ServiceId, ServiceKind,
        ServiceName, SpaceId, Timestamp,
    },
    store::{State, Tx},
    wire::service::{Create, Settings, Update},
};

impl Actions {
    /// The service instances that the caller may see.
    #[must_use]
    pub fn services(&self, caller: &Caller) -> Vec<Arc<Service>> {
        let state = self.store.state();
        let services = state.services.values();
        services
            .filter(|service| caller.may_in_space(&state, Verb::ReadSpace, service.space))
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

    /// The service instance, for looking at its credentials, which the audit trail is told.
    ///
    /// # Errors
    /// Where the caller may not see it or not its credentials.
    pub async fn service_with_credentials(
        &self,
        caller: &Caller,
        id: ServiceId,
    ) -> Result<Arc<Service>, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let service = find(tx, caller, Verb::ReadCredentials, id)?;
                note(tx, caller, "show", &service, json!({}), now);
                Ok(service)
            })
            .await
    }

    /// Makes a user-provided service instance.
    ///
    /// # Errors
    /// Where the caller may not, the name is taken, or what is said is not allowed.
    pub async fn create_service(
        &self,
        caller: &Caller,
        body: Create,
    ) -> Result<Service, ActionError> {
        check_kind(&body)?;
        let name = ServiceName::parse(body.name)?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let space = readable_space(tx, caller, body.relationships.space.id())?;
                caller.need_in_space(tx, Verb::WriteApps, space, "Space")?;
                unique(tx, space, &name, None)?;
                let data = told(Some(&name), &body.settings, "create");
                let mut service = Service {
                    id: ServiceId::random(),
                    space,
                    name,
                    kind: ServiceKind::UserProvided {
                        credentials: Credentials::default(),
                        syslog_drain_url: None,
                        route_service_url: None,
                    },
                    vouched: false,
                    tags: Vec::new(),
                    last_operation: Operation::done(OperationKind::Create, now),
                    metadata: Metadata::default(),
                    created_at: now,
                    updated_at: now,
                };
                say(caller, &mut service, body.settings)?;
                tx.put(service.clone());
                note(tx, caller, "create", &service, data, now);
                Ok(service)
            })
            .await
    }

    /// Changes a user-provided service instance. Bound apps find it so after their next start;
    /// what they may reach changes at once.
    ///
    /// # Errors
    /// Where the caller may not, the name is taken, or what is said is not allowed.
    pub async fn update_service(
        &self,
        caller: &Caller,
        id: ServiceId,
        body: Update,
    ) -> Result<Service, ActionError> {
        let name = body.name.map(ServiceName::parse).transpose()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut service = Service::clone(&*find(tx, caller, Verb::WriteApps, id)?);
                let data = told(name.as_ref(), &body.settings, "update");
                if let Some(name) = name {
                    unique(tx, service.space, &name, Some(id))?;
                    service.name = name;
                }
                say(caller, &mut service, body.settings)?;
                service.last_operation = Operation::done(OperationKind::Update, now);
                service.updated_at = now;
                tx.put(service.clone());
                let bound: Vec<AppId> = tx.bindings_of_service(id).map(|b| b.app).collect();
                for app in bound {
                    bindings::fits(tx, app)?;
                }
                note(tx, caller, "update", &service, data, now);
                Ok(service)
            })
            .await
    }

    /// Deletes a user-provided service instance with its bindings.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn delete_service(&self, caller: &Caller, id: ServiceId) -> Result<(), ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let service = find(tx, caller, Verb::WriteApps, id)?;
                let bound: Vec<_> = tx.bindings_of_service(id).cloned().collect();
                for binding in bound {
                    bindings::note_deleted(tx, caller, &binding, now);
                }
                cascade::delete_service(tx, id);
                note(tx, caller, "delete", &service, json!({}), now);
                Ok(())
            })
            .await
    }
}

/// There are no brokers, so whatever plan is named is none.
fn check_kind(body: &Create) -> Result<(), ActionError> {
    let refuse = |text: &str| Err(ActionError::Unprocessable(text.to_owned()));
    match (body.kind.as_str(), &body.relationships.service_plan) {
        ("user-provided", None) => Ok(()),
        ("user-provided", Some(_)) => refuse("Relationships Unknown field(s): 'service_plan'"),
        ("managed", _) => refuse(
            "Invalid service plan. Ensure that the service plan exists, is available, and you \
             have access to it.",
        ),
        _ => refuse("Type must be one of 'managed', 'user-provided'"),
    }
}

/// Says `settings` to the instance.
fn say(caller: &Caller, service: &mut Service, settings: Settings) -> Result<(), ActionError> {
    if settings.credentials.is_some() {
        service.vouched = caller.grants.admin;
    }
    settings
        .metadata
        .apply(&mut service.metadata)
        .map_err(ActionError::Unprocessable)?;
    settings
        .apply(&mut service.kind, &mut service.tags)
        .map_err(ActionError::Several)
}

/// The service instance, where the caller may do `verb` to it.
pub(super) fn find(
    state: &State,
    caller: &Caller,
    verb: Verb,
    id: ServiceId,
) -> Result<Arc<Service>, ActionError> {
    const WHAT: &str = "Service instance";
    let service = state.services.get(&id).ok_or(ActionError::NotFound(WHAT))?;
    caller.need_in_space(state, verb, service.space, WHAT)?;
    Ok(Arc::clone(service))
}

fn unique(
    state: &State,
    space: SpaceId,
    name: &ServiceName,
    but: Option<ServiceId>,
) -> Result<(), ActionError> {
    match state.service_by_name(space, name) {
        Some(other) if Some(other.id) != but => Err(ActionError::Unprocessable(format!(
            "The service instance name is taken: {name}."
        ))),
        _ => Ok(()),
    }
}

/// What the audit trail is told of a request: no credentials, nor URLs, which may hold some.
fn told(name: Option<&ServiceName>, settings: &Settings, verb: &str) -> Value {
    let hidden = |said: bool| said.then_some("[PRIVATE DATA HIDDEN]");
    let mut request = json!({
        "name": name,
        "credentials": hidden(settings.credentials.is_some()),
        "syslog_drain_url": hidden(settings.syslog_drain_url.is_some()),
        "route_service_url": hidden(settings.route_service_url.is_some()),
        "tags": settings.tags,
        "metadata": settings.metadata,
    });
    if verb == "create" {
        request["type"] = "user-provided".into();
    }
    if let Value::Object(members) = &mut request {
        members.retain(|_, value| !value.is_null());
    }
    json!({ "request": request })
}

fn note(tx: &mut Tx, caller: &Caller, verb: &str, service: &Service, data: Value, now: Timestamp) {
    let space = service.space;
    let place = tx
        .spaces
        .get(&space)
        .map_or(Place::Platform, |found| Place::Space {
            space,
            org: found.org,
        });
    let kind = format!("audit.user_provided_service_instance.{verb}");
    let target = target("user_provided_service_instance", service.id, &service.name);
    audit(tx, &caller.actor(), &kind, target, place, data, now);
}
