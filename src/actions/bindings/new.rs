//! The rules of new bindings.

use serde_json::{Map, Value, json};

use super::{WHAT, refuse};
use crate::{
    actions::{ActionError, Caller},
    authz::Verb,
    model::{
        App, AppId, Binding, BindingId, Credentials, Errand, Metadata, Operation, OperationKind,
        OperationState, Service, ServiceId, Timestamp,
    },
    store::{State, Tx, service_events::note_binding},
    wire::service::wrong_with_object,
};

/// What is said where a binding comes with something for a broker.
pub(in crate::actions) const NO_PARAMETERS: &str =
    "Binding parameters are not supported for user-provided service instances";
/// Longest name of a binding.
const LONGEST_NAME: usize = 255;
/// Most bindings of one app to one instance: old credentials beside new ones while they change.
const MOST_OF_ONE: usize = 5;
/// Most bytes of `VCAP_SERVICES`: the kernel takes no variable of more than 128 KiB (execve(2),
/// "Limits on size of arguments"), and an app that cannot start helps nobody.
const MOST: usize = 120 * 1024;

/// A binding to be made.
pub(in crate::actions) struct New<'a> {
    pub(in crate::actions) service: &'a Service,
    /// None for a key.
    pub(in crate::actions) app: Option<&'a App>,
    /// None or an empty one for the instance's own.
    pub(in crate::actions) name: Option<String>,
    /// For the broker.
    pub(in crate::actions) parameters: Option<Map<String, Value>>,
    /// Whether the app may be bound to it already.
    pub(in crate::actions) multiple: bool,
    pub(in crate::actions) metadata: Metadata,
}

/// Puts a new binding after checking every rule. That of a managed instance waits for its broker.
pub(in crate::actions) fn put(
    tx: &mut Tx,
    caller: &Caller,
    new: New<'_>,
    now: Timestamp,
) -> Result<Binding, ActionError> {
    let service = new.service;
    let name = new.name.clone().filter(|name| !name.is_empty());
    match new.app {
        Some(app) => check_app(tx, caller, service, app)?,
        None if !service.is_managed() => {
            return refuse(
                "Service credential bindings of type 'key' are not supported for user-provided \
                 service instances.",
            );
        }
        None => {}
    }
    check_service(tx, service)?;
    match &name {
        Some(name) => check_name(name)?,
        None if new.app.is_none() => return refuse("Name can't be blank"),
        None => {}
    }
    if let Some(parameters) = &new.parameters
        && let Some(wrong) = wrong_with_object("Parameters", parameters)
    {
        return refuse(wrong);
    }
    match new.app {
        Some(app) => check_bound(tx, caller, &new, app, name.as_deref(), now)?,
        None => check_key(
            tx,
            caller,
            service,
            name.as_deref().unwrap_or_default(),
            now,
        )?,
    }
    let managed = service.is_managed();
    let mut errand = managed.then(|| Errand::new(None, caller.actor()));
    if let Some(errand) = &mut errand {
        errand.parameters = new.parameters.map(Credentials);
    }
    let last_operation = if managed {
        Operation::begun(OperationKind::Create, now)
    } else {
        Operation::done(OperationKind::Create, now)
    };
    let mut binding = Binding {
        id: BindingId::random(),
        service: service.id,
        app: new.app.map(|app| app.id),
        name,
        told: None,
        last_operation,
        errand,
        metadata: new.metadata,
        created_at: now,
        updated_at: now,
    };
    let told = told(&binding);
    if let Some(errand) = &mut binding.errand {
        errand.told = told;
        tx.put(binding.clone());
        return Ok(binding);
    }
    tx.put(binding.clone());
    if let Some(app) = binding.app {
        fits(tx, app)?;
    }
    note_binding(tx, &caller.actor(), "create", &binding, told, now);
    Ok(binding)
}

/// What the audit trail is told of a new binding.
fn told(binding: &Binding) -> Value {
    let mut relationships = json!({
        "service_instance": { "data": { "guid": binding.service.to_string() } },
    });
    let kind = match binding.app {
        Some(app) => {
            relationships["app"] = json!({ "data": { "guid": app.to_string() } });
            "app"
        }
        None => "key",
    };
    json!({ "request": {
        "type": kind,
        "name": binding.name,
        "relationships": relationships,
    } })
}

/// Whether `app` is bound to `service`, or about to be.
pub(in crate::actions) fn is_bound(state: &State, app: AppId, service: ServiceId) -> bool {
    let mut bindings = state.bindings_of_app(app);
    bindings.any(|(binding, _)| binding.service == service && !has_failed(binding))
}

/// Whether a binding could not be made, so that the next takes its place.
fn has_failed(binding: &Binding) -> bool {
    let last = &binding.last_operation;
    binding.errand.is_none() && last.is(OperationKind::Create, OperationState::Failed)
}

/// Whether a binding is to go, or did not go as it should.
fn is_half_gone(binding: &Binding) -> bool {
    binding.last_operation.kind == OperationKind::Delete
}

fn check_app(
    state: &State,
    caller: &Caller,
    service: &Service,
    app: &App,
) -> Result<(), ActionError> {
    caller.need_in_space(state, Verb::OperateApps, app.space, "App")?;
    if app.space != service.space && !service.shared_with.contains(&app.space) {
        return refuse("The service instance and the app are in different spaces");
    }
    Ok(())
}

fn check_service(state: &State, service: &Service) -> Result<(), ActionError> {
    if !service.is_managed() {
        return Ok(());
    }
    let (plan, offering, _) = state
        .origin_of(service)
        .ok_or(ActionError::NotFound(WHAT))?;
    if !plan.bindable(offering) {
        return refuse("Service plan does not allow bindings");
    }
    if offering.terms.requires("volume_mount") {
        return refuse("Support for volume mount services is disabled");
    }
    let last = &service.last_operation;
    if service.errand.is_some() {
        return refuse("There is an operation in progress for the service instance");
    }
    if last.is(OperationKind::Create, OperationState::Failed) {
        return refuse("Service instance not found");
    }
    Ok(())
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

/// Deletes a binding that could not be made; what may be left of it at the broker is deleted there.
fn give_way(tx: &mut Tx, caller: &Caller, service: &Service, binding: BindingId, now: Timestamp) {
    tx.leave_orphan(service, Some(binding.uuid()), &caller.actor(), now, now);
    tx.delete(binding);
}

/// Passes where the app may be bound once more.
fn check_bound(
    tx: &mut Tx,
    caller: &Caller,
    new: &New<'_>,
    app: &App,
    name: Option<&str>,
    now: Timestamp,
) -> Result<(), ActionError> {
    let service = new.service;
    let all: Vec<Binding> = tx.bindings_of_app(app.id).map(|(b, _)| b.clone()).collect();
    let mut count = 0;
    for binding in all.iter().filter(|binding| binding.service == service.id) {
        if has_failed(binding) {
            give_way(tx, caller, service, binding.id, now);
            continue;
        }
        if is_half_gone(binding) {
            return refuse(
                "A binding for this service instance and app is getting deleted or its deletion \
                 failed",
            );
        }
        if !new.multiple {
            return refuse("The app is already bound to the service instance");
        }
        if binding.last_operation.is_open() {
            return refuse(format!(
                "There is already a binding in progress for this service instance and app \
                 (binding guid: {})",
                binding.id
            ));
        }
        if binding.name.as_deref() != name {
            return refuse(
                "The binding name cannot be changed for the same app and service instance",
            );
        }
        count += 1;
    }
    if count >= MOST_OF_ONE {
        return refuse(format!(
            "The app has too many bindings to this service instance (limit: {MOST_OF_ONE}). \
             Consider deleting existing/orphaned bindings."
        ));
    }
    let named = all.iter().filter(|binding| binding.service != service.id);
    let mut named = named.filter(|binding| binding.name.is_some());
    if let Some(name) = name
        && named.any(|binding| binding.name.as_deref() == Some(name))
    {
        return refuse(format!(
            "The binding name is invalid. App binding names must be unique. The app already has \
             a binding with name '{name}'."
        ));
    }
    Ok(())
}

/// Passes where the instance has no such key.
fn check_key(
    tx: &mut Tx,
    caller: &Caller,
    service: &Service,
    name: &str,
    now: Timestamp,
) -> Result<(), ActionError> {
    let mut keys = tx.keys_of_service(service.id);
    let Some(key) = keys.find(|key| key.name.as_deref() == Some(name)).cloned() else {
        return Ok(());
    };
    drop(keys);
    if has_failed(&key) {
        give_way(tx, caller, service, key.id, now);
        return Ok(());
    }
    let start = "The binding name is invalid. Key binding names must be unique. The service \
                 instance already has a key binding with";
    if is_half_gone(&key) {
        return refuse(format!(
            "{start} the name '{name}' that is getting deleted or its deletion failed."
        ));
    }
    refuse(format!("{start} name '{name}'."))
}

/// Passes where what the app is bound to fits into its environment.
pub(in crate::actions) fn fits(state: &State, app: AppId) -> Result<(), ActionError> {
    let size = state.vcap_services(app).to_string().len();
    if size > MOST {
        return refuse(format!(
            "VCAP_SERVICES of the app would have {size} bytes of at most {MOST}: bind it to fewer \
             service instances, or shorten their credentials"
        ));
    }
    Ok(())
}
