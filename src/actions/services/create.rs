//! Making service instances.

use super::{Saved, jobs::open_job, plans, refuse, told, unique};
use crate::{
    actions::{
        ActionError, Actions, Caller, cascade, flags,
        quotas::{may_make_paid, within},
        roles::readable_space,
    },
    authz::Verb,
    model::{
        BrokerState, Credentials, Errand, Flag, Job, Metadata, Operation, OperationKind,
        OperationState, PlanId, Service, ServiceId, ServiceKind, ServiceName, SpaceId, Timestamp,
        UsageState,
    },
    store::{
        State, Tx,
        service_events::{note_service, use_service},
    },
    wire::service::{Create, Settings},
};

impl Actions {
    /// Makes a service instance: a user-provided one at once; a managed one is made by its broker.
    ///
    /// # Errors
    /// Where the caller may not, the name is taken, or what is said is not allowed.
    pub async fn create_service(
        &self,
        caller: &Caller,
        body: Create,
    ) -> Result<Saved, ActionError> {
        check_kind(&body)?;
        let name = ServiceName::parse(body.name)?;
        let plan = body.relationships.service_plan;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let space = readable_space(tx, caller, body.relationships.space.id())?;
                caller.need_in_space(tx, Verb::WriteApps, space, "Space")?;
                flags::need(tx, caller, Flag::ServiceInstanceCreation)?;
                let new = New {
                    space,
                    name,
                    settings: body.settings,
                    now,
                };
                match plan {
                    None => user_provided(tx, caller, new).map(Saved::Done),
                    Some(plan) => within(tx, space, |tx| managed(tx, caller, plan.id(), new))
                        .map(Saved::Begun),
                }
            })
            .await
    }
}

fn check_kind(body: &Create) -> Result<(), ActionError> {
    match (body.kind.as_str(), &body.relationships.service_plan) {
        ("user-provided", None) | ("managed", Some(_)) => Ok(()),
        ("user-provided", Some(_)) => refuse("Relationships Unknown field(s): 'service_plan'"),
        ("managed", None) => refuse("Relationships Service plan can't be blank"),
        _ => refuse("Type must be one of 'managed', 'user-provided'"),
    }
}

struct New {
    space: SpaceId,
    name: ServiceName,
    settings: Settings,
    now: Timestamp,
}

impl New {
    /// The instance, with what is said of it.
    fn make(self, caller: &Caller, kind: ServiceKind) -> Result<Service, ActionError> {
        let Self {
            space,
            name,
            settings,
            now,
        } = self;
        let mut service = Service {
            id: ServiceId::random(),
            space,
            name,
            kind,
            vouched: false,
            tags: Vec::new(),
            shared_with: std::collections::BTreeSet::new(),
            last_operation: Operation::done(OperationKind::Create, now),
            errand: None,
            metadata: Metadata::default(),
            created_at: now,
            updated_at: now,
        };
        say(caller, &mut service, settings)?;
        Ok(service)
    }
}

/// Says `settings` to the instance.
pub(super) fn say(
    caller: &Caller,
    service: &mut Service,
    settings: Settings,
) -> Result<(), ActionError> {
    let (credentials, drain) = (&settings.credentials, &settings.syslog_drain_url);
    if credentials.is_some() || drain.is_some() {
        // An admin who changes one of them has not looked at a developer's other one.
        let credentials =
            credentials.is_some() || service.credentials().is_none_or(|known| known.0.is_empty());
        let drain = drain.is_some() || service.syslog_drain_url().is_none();
        service.vouched = caller.grants.admin && (service.vouched || credentials && drain);
    }
    if let ServiceKind::UserProvided {
        route_service_vouched,
        ..
    } = &mut service.kind
        && settings.route_service_url.is_some()
    {
        *route_service_vouched = caller.grants.admin;
    }
    settings
        .metadata
        .apply(&mut service.metadata)
        .map_err(ActionError::Unprocessable)?;
    settings
        .apply(&mut service.kind, &mut service.tags)
        .map_err(ActionError::Several)
}

fn user_provided(tx: &mut Tx, caller: &Caller, new: New) -> Result<Box<Service>, ActionError> {
    unique(tx, new.space, &new.name, None)?;
    let data = told(Some(&new.name), &new.settings, Some("user-provided"));
    let now = new.now;
    let service = new.make(
        caller,
        ServiceKind::UserProvided {
            credentials: Credentials::default(),
            syslog_drain_url: None,
            route_service_url: None,
            route_service_vouched: false,
        },
    )?;
    tx.put(service.clone());
    note_service(tx, &caller.actor(), "create", &service, data, now);
    use_service(tx, UsageState::Created, &service, now);
    Ok(Box::new(service))
}

fn managed(
    tx: &mut Tx,
    caller: &Caller,
    plan: Option<PlanId>,
    new: New,
) -> Result<Box<Job>, ActionError> {
    let plan = plans::usable(tx, caller, plan, new.space)?.clone();
    check_broker(tx, plan.id)?;
    if !plan.terms.free {
        may_make_paid(tx, new.space)?;
    }
    give_way(tx, caller, new.space, &new.name, new.now);
    unique(tx, new.space, &new.name, None)?;
    let data = told(Some(&new.name), &new.settings, Some("managed"));
    let parameters = new.settings.parameters.clone();
    let now = new.now;
    let mut service = new.make(
        caller,
        ServiceKind::Managed {
            plan: plan.id,
            dashboard_url: None,
            maintenance_info: plan.terms.maintenance_info.clone(),
            broker_metadata: serde_json::Map::new(),
        },
    )?;
    let about = ("service_instances", service.id);
    let job = open_job(tx, "service_instance.create", about, now);
    let mut errand = Errand::new(Some(job.id), caller.actor());
    errand.parameters = parameters.map(|parameters| Credentials(parameters.0));
    errand.told = data;
    service.errand = Some(errand);
    service.last_operation = Operation::begun(OperationKind::Create, now);
    tx.put(service);
    Ok(Box::new(job))
}

fn check_broker(state: &State, plan: PlanId) -> Result<(), ActionError> {
    let broker = state.origin_of_plan(plan).map(|(.., broker)| broker.state);
    if broker == Some(BrokerState::Synchronizing) {
        return refuse(
            "The service instance cannot be created because there is an operation in progress for \
             the service broker.",
        );
    }
    Ok(())
}

/// An instance that could not be made gives its name to the next; what may be left of it at the
/// broker is deleted there.
fn give_way(tx: &mut Tx, caller: &Caller, space: SpaceId, name: &ServiceName, now: Timestamp) {
    let failed = tx.service_by_name(space, name).filter(|found| {
        found.is_managed()
            && found.errand.is_none()
            && found
                .last_operation
                .is(OperationKind::Create, OperationState::Failed)
    });
    if let Some(failed) = failed.cloned() {
        tx.leave_orphan(&failed, None, &caller.actor(), now, now);
        cascade::delete_service(tx, failed.id);
    }
}
