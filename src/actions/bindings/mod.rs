//! Bindings of service instances to apps, and keys of them.

mod delete;
mod new;
mod read;

use std::sync::Arc;

use serde_json::json;

use super::{ActionError, Actions, Caller, apps, jobs, quotas::within, services};
use crate::{
    authz::Verb,
    model::{AppId, Binding, BindingId, Job, Metadata, ServiceId, named_in},
    store::{
        State,
        service_events::{note_binding, space_of},
    },
    wire::{binding::Create, package::Update},
};

pub(super) use delete::check_idle;
pub(super) use new::{NO_PARAMETERS, New, fits, is_bound, put};
pub(super) use read::check_made;

const WHAT: &str = "Service credential binding";

/// What making a binding comes to.
#[derive(Debug)]
pub enum Bound {
    /// It is made.
    Done {
        /// The binding.
        binding: Box<Binding>,
        /// Whether the service has addresses that the binding does not open.
        closed: bool,
    },
    /// The broker has to be asked first.
    Begun(Box<Job>),
}

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

    /// Binds a service instance to an app, or makes a key of it. The app finds it in its
    /// environment after its next start. The broker of a managed instance is asked.
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
        let multiple = match body.strategy.as_deref() {
            None | Some("single") => false,
            Some("multiple") if body.kind == "app" => true,
            Some("multiple") => return refuse("Strategy must be 'single' for type 'key'"),
            Some(_) => return refuse("Strategy must be 'single' or 'multiple'"),
        };
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
                if body.parameters.is_some() && !service.is_managed() {
                    return refuse(NO_PARAMETERS);
                }
                let app = if body.kind == "key" {
                    let seen = caller.need_in_space(tx, Verb::WriteApps, service.space, WHAT);
                    seen.map_err(|_| ActionError::Forbidden)?;
                    None
                } else {
                    let named = relationships.app.as_ref().and_then(|app| app.data.as_ref());
                    let Some(named) = named else {
                        return refuse("No app was specified");
                    };
                    let app = app
                        .and_then(|id| apps::find(tx, caller, Verb::ReadSpace, id).ok())
                        .ok_or_else(|| missing("app", &named.guid))?;
                    Some(app)
                };
                let new = New {
                    service: &service,
                    app: app.as_deref(),
                    name,
                    parameters: body.parameters.map(|parameters| parameters.0),
                    multiple,
                    metadata,
                };
                let space = service.space;
                let binding = within(tx, space, |tx| put(tx, caller, new, now))?;
                if binding.errand.is_none() {
                    let named = named_in(&binding.credentials(&service).0);
                    let closed = !tx.is_vouched(&service) && !named.is_empty();
                    return Ok(Bound::Done {
                        binding: Box::new(binding),
                        closed,
                    });
                }
                let operation = match binding.app {
                    Some(_) => "service_bindings.create",
                    None => "service_keys.create",
                };
                let about = ("service_credential_bindings", binding.id);
                let job = jobs::open_job(tx, operation, about, now);
                tx.tell_binding_to(binding, job.id);
                Ok(Bound::Begun(Box::new(job)))
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
                if delete::is_going(&binding) {
                    return refuse("The service binding is being deleted");
                }
                body.metadata
                    .apply(&mut binding.metadata)
                    .map_err(ActionError::Unprocessable)?;
                binding.updated_at = now;
                tx.put(binding.clone());
                let data = json!({ "request": { "metadata": body.metadata } });
                note_binding(tx, &caller.actor(), "update", &binding, data, now);
                Ok(binding)
            })
            .await
    }
}

fn refuse<T>(text: impl Into<String>) -> Result<T, ActionError> {
    Err(ActionError::Unprocessable(text.into()))
}

/// The binding, where the caller may do `verb` to it: it is where its app is, or, where it is a
/// key, its instance.
fn find(
    state: &State,
    caller: &Caller,
    verb: Verb,
    id: BindingId,
) -> Result<Arc<Binding>, ActionError> {
    let binding = state.bindings.get(&id);
    let binding = binding.ok_or(ActionError::NotFound(WHAT))?;
    let space = space_of(state, binding).ok_or(ActionError::NotFound(WHAT))?;
    caller.need_in_space(state, verb, space, WHAT)?;
    Ok(Arc::clone(binding))
}
