//! Which instances take the requests of which route.

use std::{collections::HashMap, sync::Arc};

use http::Uri;

use crate::{
    drivers::{self, Instance},
    model::{Destination, InstanceId, OperationKind, OperationState, ProcessId, Route, RouteId},
    routing::{Backend, Balance, Entry, Load, RouteService, Target},
    store::State,
};

/// The option of routes that says how an instance is chosen.
const LOAD_BALANCING: &str = "loadbalancing";

/// The entries for all routes of `state`, by route. What is as it was in `before` is the same
/// object, not an equal one.
#[must_use]
pub fn table(state: &State, instances: &[Instance], before: &[Arc<Entry>]) -> Vec<Arc<Entry>> {
    let mut routable: HashMap<ProcessId, Vec<&Instance>> = HashMap::new();
    for instance in instances
        .iter()
        .filter(|instance| instance.phase.is_routable())
    {
        routable
            .entry(instance.slot.process)
            .or_default()
            .push(instance);
    }
    for slots in routable.values_mut() {
        slots.sort_unstable_by_key(|instance| instance.slot);
    }
    let before: HashMap<RouteId, &Arc<Entry>> =
        before.iter().map(|entry| (entry.route, entry)).collect();
    let each = state.routes.values().filter_map(|route| {
        let before = before.get(&route.id).copied();
        let entry = entry(state, route, &routable, before)?;
        Some(match before {
            Some(same) if **same == entry => Arc::clone(same),
            _ => Arc::new(entry),
        })
    });
    each.collect()
}

fn entry(
    state: &State,
    route: &Route,
    routable: &HashMap<ProcessId, Vec<&Instance>>,
    before: Option<&Arc<Entry>>,
) -> Option<Entry> {
    let domain = state.domains.get(&route.domain)?;
    if domain.internal {
        return None;
    }
    let mut backends = Vec::new();
    for destination in &route.destinations {
        let processes = state.processes_of_type(destination.app, &destination.process_type);
        let instances = processes.filter_map(|process| routable.get(&process.id));
        for instance in instances.flatten() {
            let Some(backend) = backend(state, destination, instance) else {
                continue;
            };
            // Files are no bytes of a protocol.
            if route.port.is_some() && matches!(backend.target, Target::Static { .. }) {
                continue;
            }
            let same = before.and_then(|entry| {
                entry
                    .backends
                    .iter()
                    .find(|before| ***before == backend)
                    .cloned()
            });
            backends.push(same.unwrap_or_else(|| Arc::new(backend)));
        }
    }
    Some(Entry {
        route: route.id,
        host: route.fqdn(&domain.name).to_lowercase(),
        path: route.path.to_string(),
        port: route.port,
        service: service(state, route.id),
        balance: match route.options.get(LOAD_BALANCING).map(String::as_str) {
            Some("least-connection") => Balance::LeastConnections,
            _ => Balance::RoundRobin,
        },
        backends,
    })
}

fn is_absolute(url: &Uri) -> bool {
    url.scheme().is_some() && url.host().is_some()
}

/// The route service that a route is bound to; one that a broker has not made yet, or takes away
/// again, is none.
fn service(state: &State, route: RouteId) -> Option<RouteService> {
    let bound = state.route_bindings_of(route).find(|binding| {
        let last = &binding.last_operation;
        match last.kind {
            OperationKind::Create => last.state == OperationState::Succeeded,
            OperationKind::Update => true,
            // It is still there where that failed.
            OperationKind::Delete => last.state == OperationState::Failed,
        }
    })?;
    let url = bound.route_service_url.as_deref()?;
    let service = state.services.get(&bound.service)?;
    Some(RouteService {
        url: url.parse().ok().filter(is_absolute),
        vouched: state.vouches_route_service(service),
    })
}

fn backend(state: &State, destination: &Destination, instance: &Instance) -> Option<Backend> {
    let target = match instance.backend.clone()? {
        drivers::Backend::Sandbox { dir } => Target::Sandbox {
            dir,
            port: destination.port.unwrap_or(instance.port),
            protocol: destination.protocol,
        },
        drivers::Backend::Static { root, site } => Target::Static { root, site },
    };
    Some(Backend {
        app: destination.app,
        space: state.apps.get(&destination.app)?.space,
        process: (instance.slot.process, instance.process_type.clone()),
        instance: instance.instance,
        index: instance.slot.index,
        weight: destination.weight,
        load: Load::default(),
        target,
    })
}

/// The backends of one instance in all `entries`.
pub fn backends_of(
    entries: &[Arc<Entry>],
    instance: InstanceId,
) -> impl Iterator<Item = &Arc<Backend>> + '_ {
    let all = entries.iter().flat_map(|entry| &entry.backends);
    all.filter(move |backend| backend.instance == instance)
}
