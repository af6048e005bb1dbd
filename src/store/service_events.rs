//! Telling the audit trail, and who bills, what became of services.

use serde_json::{Value, json};

use super::{
    State, Tx,
    audit::{audit, target},
};
use crate::{
    authz::Place,
    model::{
        Actor, Binding, RouteBinding, Service, ServiceUsage, ServiceUsageId, SpaceId, Timestamp,
        UsageState,
    },
};

/// What stands in the place of secrets.
pub const HIDDEN: &str = "[PRIVATE DATA HIDDEN]";

/// Where something in `space` is.
#[must_use]
pub fn place(state: &State, space: Option<SpaceId>) -> Place {
    let space = space.and_then(|space| state.spaces.get(&space));
    space.map_or(Place::Platform, |found| Place::Space {
        space: found.id,
        org: found.org,
    })
}

/// Says that `by` did `verb` to an instance.
pub fn note_service(
    tx: &mut Tx,
    by: &Actor,
    verb: &str,
    service: &Service,
    data: Value,
    now: Timestamp,
) {
    let kind = if service.is_managed() {
        "service_instance"
    } else {
        "user_provided_service_instance"
    };
    let place = place(tx, Some(service.space));
    let target = target(kind, service.id, &service.name);
    audit(
        tx,
        by,
        &format!("audit.{kind}.{verb}"),
        target,
        place,
        data,
        now,
    );
}

/// The space of a binding: its app's, or, for a key, its instance's.
#[must_use]
pub fn space_of(state: &State, binding: &Binding) -> Option<SpaceId> {
    match binding.app {
        Some(app) => state.apps.get(&app).map(|app| app.space),
        None => state
            .services
            .get(&binding.service)
            .map(|found| found.space),
    }
}

/// Says that `by` did `verb` to a binding.
pub fn note_binding(
    tx: &mut Tx,
    by: &Actor,
    verb: &str,
    binding: &Binding,
    data: Value,
    now: Timestamp,
) {
    let kind = match binding.app {
        Some(_) => "service_binding",
        None => "service_key",
    };
    let place = place(tx, space_of(tx, binding));
    let name = binding.name.as_deref().unwrap_or_default();
    let target = target(kind, binding.id, name);
    audit(
        tx,
        by,
        &format!("audit.{kind}.{verb}"),
        target,
        place,
        data,
        now,
    );
}

/// Says that `by` ended a binding, or began to.
pub fn note_unbound(tx: &mut Tx, by: &Actor, verb: &str, binding: &Binding, now: Timestamp) {
    let mut request = json!({ "service_instance_guid": binding.service.to_string() });
    if let Some(app) = binding.app {
        request["app_guid"] = app.to_string().into();
    }
    note_binding(tx, by, verb, binding, json!({ "request": request }), now);
}

/// Says that `by` did `verb` to the binding of a route.
pub fn note_route_binding(
    tx: &mut Tx,
    by: &Actor,
    verb: &str,
    binding: &RouteBinding,
    now: Timestamp,
) {
    let kind = "service_route_binding";
    let space = tx.services.get(&binding.service).map(|found| found.space);
    let place = place(tx, space);
    let data = json!({ "request": {
        "route_guid": binding.route.to_string(),
        "service_instance_guid": binding.service.to_string(),
    } });
    let target = target(kind, binding.id, "");
    audit(
        tx,
        by,
        &format!("audit.{kind}.{verb}"),
        target,
        place,
        data,
        now,
    );
}

/// Writes down for who bills what became of an instance.
pub fn use_service(tx: &mut Tx, state: UsageState, service: &Service, now: Timestamp) {
    let Some(space) = tx.spaces.get(&service.space).cloned() else {
        return;
    };
    let origin = tx.origin_of(service).map(|(plan, offering, broker)| {
        [
            (plan.id.to_string(), plan.terms.name.clone()),
            (offering.id.to_string(), offering.terms.name.clone()),
            (broker.id.to_string(), broker.name.clone()),
        ]
    });
    let [plan, offering, broker] = origin.map_or([None, None, None], |origin| origin.map(Some));
    let kind = if service.is_managed() {
        "managed_service_instance"
    } else {
        "user_provided_service_instance"
    };
    tx.record_service_usage(ServiceUsage {
        id: ServiceUsageId::random(),
        state,
        org: space.org,
        space: space.id,
        space_name: space.name.to_string(),
        instance: service.id,
        instance_name: service.name.to_string(),
        instance_type: kind.to_owned(),
        plan,
        offering,
        broker,
        created_at: now,
    });
}

/// Writes down that all instances of a space are deleted with it.
pub fn end_use_in_space(tx: &mut Tx, space: SpaceId, now: Timestamp) {
    let services: Vec<Service> = tx.services_of(space).cloned().collect();
    for service in services {
        use_service(tx, UsageState::Deleted, &service, now);
    }
}
