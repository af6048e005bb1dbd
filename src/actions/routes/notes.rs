//! What the audit trail is told of routes.

use serde_json::{Value, json};

use crate::{
    actions::{
        Caller,
        audit::{audit, target},
    },
    authz::Place,
    model::{Destination, Route, SpaceId, Timestamp},
    store::{State, Tx},
};

fn place_of(state: &State, space: SpaceId) -> Place {
    state
        .spaces
        .get(&space)
        .map_or(Place::Platform, |found| Place::Space {
            space,
            org: found.org,
        })
}

/// Tells what was done to a route.
pub(super) fn note(
    tx: &mut Tx,
    caller: &Caller,
    kind: &str,
    route: &Route,
    data: Value,
    now: Timestamp,
) {
    let place = place_of(tx, route.space);
    let target = target("route", route.id, &route.host);
    audit(tx, &caller.actor(), kind, target, place, data, now);
}

/// Tells the app's audit trail that a route leads to it or no longer does; `what` is `map` or
/// `unmap`, `manifest` whether a manifest asked for it.
pub(in crate::actions) fn note_mapping(
    tx: &mut Tx,
    caller: &Caller,
    (what, manifest): (&str, bool),
    route: &Route,
    destination: &Destination,
    now: Timestamp,
) {
    let app = tx.apps.get(&destination.app);
    let name = app.map(|app| app.name.to_string()).unwrap_or_default();
    // A route may be another space's.
    let place = place_of(tx, app.map_or(route.space, |app| app.space));
    let target = target("app", destination.app, &name);
    let mut data = json!({
        "route_guid": route.id.to_string(),
        "app_port": destination.port,
        "route_mapping_guid": destination.id.to_string(),
        "destination_guid": destination.id.to_string(),
        "process_type": destination.process_type,
        "weight": destination.weight,
        "protocol": crate::wire::route::protocol(destination.protocol),
    });
    if manifest {
        data["manifest_triggered"] = json!(true);
    }
    if !route.options.is_empty() {
        data["route_options"] = json!(route.options);
    }
    let kind = format!("audit.app.{what}-route");
    audit(tx, &caller.actor(), &kind, target, place, data, now);
}
