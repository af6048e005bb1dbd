//! Changing service instances.

use super::{Saved, bindings, create::say, find, jobs::open_job, plans, refuse, told, unique};
use crate::{
    actions::{ActionError, Actions, Caller, quotas::may_make_paid},
    authz::Verb,
    model::{
        AppId, Change, Credentials, Errand, MaintenanceInfo, Operation, OperationKind,
        OperationState, Plan, RouteBinding, Service, ServiceId, ServiceKind, ServiceName,
        Timestamp, UsageState,
    },
    store::{
        State, Tx,
        service_events::{note_service, use_service},
    },
    wire::{Error, service::Settings, service::Update},
};

impl Actions {
    /// Changes a service instance. Bound apps find what a user-provided one says after their next
    /// start; what they may reach changes at once. Of a managed one the broker is asked, where it
    /// is concerned.
    ///
    /// # Errors
    /// Where the caller may not, the name is taken, or what is said is not allowed.
    pub async fn update_service(
        &self,
        caller: &Caller,
        id: ServiceId,
        body: Update,
    ) -> Result<Saved, ActionError> {
        let name = body.name.clone().map(ServiceName::parse).transpose()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let service = Service::clone(&*find(tx, caller, Verb::WriteApps, id)?);
                if service.is_managed() {
                    managed(tx, caller, service, name, body, now)
                } else {
                    user_provided(tx, caller, service, name, body, now)
                }
            })
            .await
    }
}

fn user_provided(
    tx: &mut Tx,
    caller: &Caller,
    mut service: Service,
    name: Option<ServiceName>,
    body: Update,
    now: Timestamp,
) -> Result<Saved, ActionError> {
    if body.relationships.is_some() {
        return refuse("Unknown field(s): 'relationships'");
    }
    if body.maintenance_info.is_some() {
        return refuse("Unknown field(s): 'maintenance_info'");
    }
    let data = told(name.as_ref(), &body.settings, None);
    if let Some(name) = name {
        unique(tx, service.space, &name, Some(service.id))?;
        service.name = name;
    }
    say(caller, &mut service, body.settings)?;
    service.last_operation = Operation::done(OperationKind::Update, now);
    service.updated_at = now;
    tx.put(service.clone());
    follow(tx, &service, now);
    let bound = tx.bindings_of_service(service.id);
    let bound: Vec<AppId> = bound.filter_map(|binding| binding.app).collect();
    for app in bound {
        bindings::fits(tx, app)?;
    }
    note_service(tx, &caller.actor(), "update", &service, data, now);
    Ok(Saved::Done(Box::new(service)))
}

/// Has the bindings of routes name what the instance says of its route service.
fn follow(tx: &mut Tx, service: &Service, now: Timestamp) {
    let url = service.route_service_url();
    let bindings = tx.route_bindings_of_service(service.id);
    let behind: Vec<RouteBinding> = bindings
        .filter(|binding| binding.route_service_url.as_deref() != url)
        .cloned()
        .collect();
    for mut binding in behind {
        binding.route_service_url = url.map(str::to_owned);
        binding.updated_at = now;
        tx.put(binding);
    }
}

fn managed(
    tx: &mut Tx,
    caller: &Caller,
    mut service: Service,
    name: Option<ServiceName>,
    body: Update,
    now: Timestamp,
) -> Result<Saved, ActionError> {
    let only_metadata = name.is_none()
        && body.relationships.is_none()
        && body.maintenance_info.is_none()
        && body.settings.tags.is_none()
        && body.settings.parameters.is_none();
    check_state(tx, &service, only_metadata)?;
    if let Some(name) = &name {
        unique(tx, service.space, name, Some(service.id))?;
        if !service.shared_with.is_empty() {
            return refuse("Service instances that have been shared cannot be renamed");
        }
    }
    let wish = Wish::read(tx, caller, &service, name, body)?;
    let data = told(wish.change.name.as_ref(), &wish.settings, None);
    let Wish {
        change,
        parameters,
        ask,
        mut settings,
    } = wish;
    // What the broker does not decide about is said at once.
    if ask {
        settings.tags = None;
    }
    settings.parameters = None;
    let (old_name, tags) = (service.name.clone(), service.tags.clone());
    say(caller, &mut service, settings)?;
    service.updated_at = now;
    if !ask {
        if let Some(name) = change.name {
            service.name = name;
        }
        if !only_metadata {
            service.last_operation = Operation::done(OperationKind::Update, now);
        }
        tx.put(service.clone());
        if service.tags != tags {
            let bound = tx.bindings_of_service(service.id);
            let bound: Vec<AppId> = bound.filter_map(|binding| binding.app).collect();
            for app in bound {
                bindings::fits(tx, app)?;
            }
        }
        note_service(tx, &caller.actor(), "update", &service, data, now);
        if service.name != old_name {
            use_service(tx, UsageState::Updated, &service, now);
        }
        return Ok(Saved::Done(Box::new(service)));
    }
    let about = ("service_instances", service.id);
    let job = open_job(tx, "service_instance.update", about, now);
    let mut errand = Errand::new(Some(job.id), caller.actor());
    errand.parameters = parameters;
    errand.change = Some(change);
    errand.told = data;
    service.errand = Some(errand);
    service.last_operation = Operation {
        state: OperationState::InProgress,
        ..Operation::begun(OperationKind::Update, now)
    };
    tx.put(service);
    Ok(Saved::Begun(Box::new(job)))
}

fn check_state(state: &State, service: &Service, only_metadata: bool) -> Result<(), ActionError> {
    let last = &service.last_operation;
    if last.is(OperationKind::Create, OperationState::Failed) {
        return Err(ActionError::Listed(Error::service_instance_gone(format!(
            "The service instance could not be found: {}",
            service.name
        ))));
    }
    let deleting = last.kind == OperationKind::Delete;
    if service.errand.is_some() && (!only_metadata || deleting) {
        return Err(in_progress(service));
    }
    if only_metadata {
        return Ok(());
    }
    let mut bindings = state.bindings_of_service(service.id);
    if let Some(busy) = bindings.find(|binding| binding.errand.is_some()) {
        let app = busy.app.and_then(|app| state.apps.get(&app));
        return Err(ActionError::Listed(Error::binding_operation_in_progress(
            format!(
                "An operation for the service binding between app {} and service instance {} is \
                 in progress.",
                app.map(|app| app.name.to_string()).unwrap_or_default(),
                service.name
            ),
        )));
    }
    Ok(())
}

/// What is said while a broker is at an instance.
pub(super) fn in_progress(service: &Service) -> ActionError {
    ActionError::Listed(Error::service_operation_in_progress(format!(
        "An operation for service instance {} is in progress.",
        service.name
    )))
}

/// What somebody wants of a managed instance.
struct Wish {
    change: Change,
    parameters: Option<Credentials>,
    settings: Settings,
    /// Whether the broker has to be asked.
    ask: bool,
}

impl Wish {
    fn read(
        state: &State,
        caller: &Caller,
        service: &Service,
        name: Option<ServiceName>,
        body: Update,
    ) -> Result<Self, ActionError> {
        let gone = || ActionError::NotFound(super::WHAT);
        let (current, offering, _) = state.origin_of(service).ok_or_else(gone)?;
        let ServiceKind::Managed {
            maintenance_info, ..
        } = &service.kind
        else {
            return Err(gone());
        };
        let version = body.maintenance_info.and_then(|info| info.version);
        let wanted = body.relationships.map(|to| to.service_plan);
        let plan = match wanted {
            None => current,
            Some(plan) => {
                let plan = plans::usable(state, caller, plan.id(), service.space)?;
                check_plan(state, service, current, plan)?;
                if !plan.terms.free && plan.id != current.id {
                    may_make_paid(state, service.space)?;
                }
                if !current.updateable(offering) {
                    return refuse("The service does not support changing plans.");
                }
                plan
            }
        };
        let change_of_plan = plan.id != current.id;
        let before = maintenance_info.as_ref();
        if let Some(version) = &version {
            check_version(version, change_of_plan, current, before)?;
        }
        let context = name.is_some() && offering.terms.allow_context_updates;
        let upgrade = version.as_deref() != before.map(|info| info.version.as_str());
        let upgrade = version.is_some() && upgrade;
        let parameters = body.settings.parameters.clone();
        if !current.available {
            let what = match () {
                () if parameters.is_some() => Some("parameters"),
                () if context => Some("name"),
                () if upgrade => Some("maintenance_info"),
                () => None,
            };
            if let Some(what) = what {
                return refuse(format!(
                    "Cannot update {what} of a service instance that belongs to inaccessible plan"
                ));
            }
        }
        let maintenance_info = match version {
            _ if change_of_plan => plan.terms.maintenance_info.clone(),
            Some(version) => Some(MaintenanceInfo {
                description: plan
                    .terms
                    .maintenance_info
                    .as_ref()
                    .filter(|info| info.version == version)
                    .and_then(|info| info.description.clone()),
                version,
            }),
            None => None,
        };
        if let Some(parameters) = &parameters
            && let Some(wrong) =
                crate::wire::service::wrong_with_object("Parameters", &parameters.0)
        {
            return refuse(wrong);
        }
        let ask = context || parameters.is_some() || change_of_plan || upgrade;
        let tags = body.settings.tags.clone();
        Ok(Self {
            change: Change {
                name,
                tags: tags.map(Option::unwrap_or_default).filter(|_| ask),
                plan: change_of_plan.then_some(plan.id),
                maintenance_info,
            },
            parameters: parameters.map(|parameters| Credentials(parameters.0)),
            settings: body.settings,
            ask,
        })
    }
}

fn check_plan(
    state: &State,
    service: &Service,
    current: &Plan,
    plan: &Plan,
) -> Result<(), ActionError> {
    if plan.offering != current.offering {
        return Err(ActionError::Listed(Error::invalid_relation(
            "service plan relates to a different service offering",
        )));
    }
    let bound = state.bindings_of_service(service.id).next().is_some();
    let offering = state.offerings.get(&plan.offering);
    if bound && offering.is_some_and(|offering| !plan.bindable(offering)) {
        return refuse(
            "The service plan is invalid: cannot switch to non-bindable plan when service \
             bindings exist",
        );
    }
    Ok(())
}

fn check_version(
    version: &str,
    change_of_plan: bool,
    current: &Plan,
    before: Option<&MaintenanceInfo>,
) -> Result<(), ActionError> {
    if change_of_plan {
        return refuse("maintenance_info should not be changed when switching to different plan.");
    }
    let Some(newest) = &current.terms.maintenance_info else {
        return refuse(
            "The service broker does not support upgrades for service instances created from this \
             plan.",
        );
    };
    if newest.version != version && before.is_none_or(|before| before.version != version) {
        return refuse(
            "maintenance_info.version requested is invalid. Please ensure the catalog is up to \
             date and you are providing a version supported by this service plan.",
        );
    }
    Ok(())
}
