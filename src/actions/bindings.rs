//! Bindings of service instances to apps.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    ActionError, Actions, Caller, apps,
    audit::{audit, target},
    services,
};
use crate::{
    authz::{Place, Verb},
    model::{
        App, AppId, Binding, BindingId, Metadata, Operation, OperationKind, Service, ServiceId,
        Timestamp, named_in,
    },
    store::{State, Tx},
    wire::{
        binding::{Create, vcap_services},
        package::Update,
    },
};

/// What is said where a binding comes with something for a broker.
pub(super) const NO_PARAMETERS: &str =
    "Binding parameters are not supported for user-provided service instances";
const WHAT: &str = "Service credential binding";
/// Longest name of a binding.
const LONGEST_NAME: usize = 255;
/// Most bytes of `VCAP_SERVICES`: the kernel takes no variable of more than 128 KiB (execve(2),
/// "Limits on size of arguments"), and an app that cannot start helps nobody.
const MOST: usize = 120 * 1024;

impl Actions {
    /// The bindings that the caller may see.
    #[must_use]
    pub fn bindings(&self, caller: &Caller) -> Vec<Arc<Binding>> {
        let state = self.store.state();
        let bindings = state.bindings.values();
        bindings
            .filter(|binding| find(&state, caller, Verb::ReadSpace, binding.id).is_ok())
            .cloned()
            .collect()
    }

    /// The binding, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn binding(&self, caller: &Caller, id: BindingId) -> Result<Arc<Binding>, ActionError> {
        find(&self.store.state(), caller, Verb::ReadSpace, id)
    }

    /// What the binding is to, for looking at its credentials.
    ///
    /// # Errors
    /// [`ActionError::NotFound`] where the caller may not see them, as in Cloud Foundry.
    pub fn bound_service(
        &self,
        caller: &Caller,
        id: BindingId,
    ) -> Result<Arc<Service>, ActionError> {
        let state = self.store.state();
        let binding = find(&state, caller, Verb::ReadCredentials, id)
            .map_err(|_| ActionError::NotFound(WHAT))?;
        let service = state.services.get(&binding.service).cloned();
        service.ok_or(ActionError::NotFound(WHAT))
    }

    /// Binds a service instance to an app. The app finds it in its environment after its next
    /// start.
    ///
    /// # Errors
    /// Where the caller may not, they are bound already, or the name is bad or taken.
    pub async fn create_binding(
        &self,
        caller: &Caller,
        body: Create,
    ) -> Result<Bound, ActionError> {
        if body.kind != "app" && body.kind != "key" {
            return refuse("Type must be 'app' or 'key'");
        }
        let service: Option<ServiceId> = body.relationships.service_instance.id();
        let app: Option<AppId> = body.relationships.app.as_ref().and_then(|app| app.id());
        let name = body.name;
        let mut metadata = Metadata::default();
        body.metadata
            .apply(&mut metadata)
            .map_err(ActionError::Unprocessable)?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let missing = |what: &str, guid: &str| {
                    ActionError::Unprocessable(format!("The {what} could not be found: '{guid}'"))
                };
                let relationships = &body.relationships;
                let service = service
                    .and_then(|id| services::find(tx, caller, Verb::ReadSpace, id).ok())
                    .ok_or_else(|| {
                        let named = relationships.service_instance.data.as_ref();
                        missing("service instance", named.map_or("", |named| &named.guid))
                    })?;
                if body.parameters.is_some() {
                    return refuse(NO_PARAMETERS);
                }
                if body.kind == "key" {
                    caller.need_in_space(tx, Verb::WriteApps, service.space, WHAT)?;
                    return refuse(
                        "Service credential bindings of type 'key' are not supported for \
                         user-provided service instances.",
                    );
                }
                let Some(named) = relationships.app.as_ref().and_then(|app| app.data.as_ref())
                else {
                    return refuse("No app was specified");
                };
                let app = app
                    .and_then(|id| apps::find(tx, caller, Verb::ReadSpace, id).ok())
                    .ok_or_else(|| missing("app", &named.guid))?;
                let new = New {
                    service: &service,
                    app: &app,
                    name,
                    metadata,
                };
                put(tx, caller, new, now)
            })
            .await
    }

    /// Changes a binding's labels and annotations.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn update_binding(
        &self,
        caller: &Caller,
        id: BindingId,
        body: Update,
    ) -> Result<Binding, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut binding = Binding::clone(&*find(tx, caller, Verb::WriteApps, id)?);
                body.metadata
                    .apply(&mut binding.metadata)
                    .map_err(ActionError::Unprocessable)?;
                binding.updated_at = now;
                tx.put(binding.clone());
                let data = json!({ "request": { "metadata": body.metadata } });
                note(tx, caller, "update", &binding, data, now);
                Ok(binding)
            })
            .await
    }

    /// Ends a binding.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn delete_binding(&self, caller: &Caller, id: BindingId) -> Result<(), ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let binding = find(tx, caller, Verb::OperateApps, id)?;
                tx.delete(id);
                note_deleted(tx, caller, &binding, now);
                Ok(())
            })
            .await
    }
}

/// A new binding.
#[derive(Debug)]
pub struct Bound {
    /// The binding.
    pub binding: Binding,
    /// Whether the service has addresses that the binding does not open.
    pub closed: bool,
}

/// A binding to be made.
pub(super) struct New<'a> {
    pub(super) service: &'a Service,
    pub(super) app: &'a App,
    /// None or an empty one for the instance's own.
    pub(super) name: Option<String>,
    pub(super) metadata: Metadata,
}

/// Puts a new binding after checking every rule.
pub(super) fn put(
    tx: &mut Tx,
    caller: &Caller,
    new: New<'_>,
    now: Timestamp,
) -> Result<Bound, ActionError> {
    let New {
        service,
        app,
        name,
        metadata,
    } = new;
    caller.need_in_space(tx, Verb::OperateApps, app.space, "App")?;
    if app.space != service.space {
        return refuse("The service instance and the app are in different spaces");
    }
    let name = name.filter(|name| !name.is_empty());
    if let Some(name) = &name {
        check_name(name)?;
    }
    let binding = Binding {
        id: BindingId::random(),
        service: service.id,
        app: app.id,
        name,
        last_operation: Operation::done(OperationKind::Create, now),
        metadata,
        created_at: now,
        updated_at: now,
    };
    check_free(tx, &binding)?;
    tx.put(binding.clone());
    fits(tx, app.id)?;
    let data = json!({ "request": {
        "type": "app",
        "name": binding.name,
        "relationships": {
            "app": { "data": { "guid": app.id.to_string() } },
            "service_instance": { "data": { "guid": service.id.to_string() } },
        },
    } });
    note(tx, caller, "create", &binding, data, now);
    Ok(Bound {
        binding,
        closed: !service.vouched && !named_in(&service.credentials().0).is_empty(),
    })
}

/// Whether `app` is bound to `service`.
pub(super) fn is_bound(state: &State, app: AppId, service: ServiceId) -> bool {
    let mut bindings = state.bindings_of_app(app);
    bindings.any(|(binding, _)| binding.service == service)
}

fn refuse<T>(text: &str) -> Result<T, ActionError> {
    Err(ActionError::Unprocessable(text.to_owned()))
}

/// The binding, where the caller may do `verb` to it: it is where its app is.
fn find(
    state: &State,
    caller: &Caller,
    verb: Verb,
    id: BindingId,
) -> Result<Arc<Binding>, ActionError> {
    let binding = state.bindings.get(&id);
    let binding = binding.ok_or(ActionError::NotFound(WHAT))?;
    let app = state.apps.get(&binding.app);
    let app = app.ok_or(ActionError::NotFound(WHAT))?;
    caller.need_in_space(state, verb, app.space, WHAT)?;
    Ok(Arc::clone(binding))
}

fn check_name(name: &str) -> Result<(), ActionError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.len() > LONGEST_NAME {
        return refuse("Name is too long (maximum is 255 characters)");
    }
    if !name.bytes().all(good) {
        return refuse(
            "The binding name is invalid. Valid characters are alphanumeric, underscore, and dash.",
        );
    }
    Ok(())
}

/// Passes where neither the app is bound to the instance already nor the name is taken.
fn check_free(state: &State, new: &Binding) -> Result<(), ActionError> {
    if is_bound(state, new.app, new.service) {
        return refuse("The app is already bound to the service instance");
    }
    for (binding, _) in state.bindings_of_app(new.app) {
        if let Some(name) = new.name.as_ref().filter(|_| binding.name == new.name) {
            return refuse(&format!(
                "The binding name is invalid. App binding names must be unique. The app already \
                 has a binding with name '{name}'."
            ));
        }
    }
    Ok(())
}

/// Passes where what the app is bound to fits into its environment.
pub(super) fn fits(state: &State, app: AppId) -> Result<(), ActionError> {
    let size = vcap_services(state.bindings_of_app(app)).to_string().len();
    if size > MOST {
        return refuse(&format!(
            "VCAP_SERVICES of the app would have {size} bytes of at most {MOST}: bind it to fewer \
             service instances, or shorten their credentials"
        ));
    }
    Ok(())
}

/// Tells the audit trail that a binding was ended.
pub(super) fn note_deleted(tx: &mut Tx, caller: &Caller, binding: &Binding, now: Timestamp) {
    let data = json!({ "request": {
        "app_guid": binding.app.to_string(),
        "service_instance_guid": binding.service.to_string(),
    } });
    note(tx, caller, "delete", binding, data, now);
}

fn note(tx: &mut Tx, caller: &Caller, verb: &str, binding: &Binding, data: Value, now: Timestamp) {
    let space = tx.apps.get(&binding.app).map(|app| app.space);
    let space = space.and_then(|space| tx.spaces.get(&space));
    let place = space.map_or(Place::Platform, |found| Place::Space {
        space: found.id,
        org: found.org,
    });
    let name = binding.name.as_deref().unwrap_or_default();
    let target = target("service_binding", binding.id, name);
    let kind = format!("audit.service_binding.{verb}");
    audit(tx, &caller.actor(), &kind, target, place, data, now);
}
