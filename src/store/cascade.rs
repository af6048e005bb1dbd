//! What goes when something goes: deletions with all that hangs on the deleted.

use std::sync::Arc;

use super::{Key, Tx};
use crate::model::{
    AppId, BrokerId, DomainId, IsolationSegment, OfferingId, OrgId, Plan, RoleScope, Route,
    RouteId, SecurityGroup, Service, ServiceId, SpaceId,
};

/// Deletes an app with its processes, packages, builds, droplets, sidecars, tasks, revisions,
/// deployments, bindings and network policies,
/// and takes it out of the destinations of routes, which stay.
pub fn delete_app(tx: &mut Tx, app: AppId) {
    let mut gone: Vec<Key> = vec![app.into()];
    gone.extend(tx.processes_of(app).map(|process| Key::from(process.id)));
    gone.extend(tx.packages_of(app).map(|package| Key::from(package.id)));
    gone.extend(tx.builds_of(app).map(|build| Key::from(build.id)));
    gone.extend(tx.droplets_of(app).map(|droplet| Key::from(droplet.id)));
    gone.extend(tx.sidecars_of(app).map(|sidecar| Key::from(sidecar.id)));
    gone.extend(tx.tasks_of(app).map(|task| Key::from(task.id)));
    gone.extend(tx.revisions_of(app).map(|revision| Key::from(revision.id)));
    gone.extend(tx.deployments_of(app).map(|one| Key::from(one.id)));
    gone.extend(tx.policies_of(app).map(|policy| Key::from(policy.id)));
    gone.extend(
        tx.bindings_of_app(app)
            .map(|(binding, _)| Key::from(binding.id)),
    );
    let mut routes: Vec<Route> = tx.routes_of_app(app).cloned().collect();
    for key in gone {
        tx.delete(key);
    }
    for route in &mut routes {
        route
            .destinations
            .retain(|destination| destination.app != app);
        tx.put(route.clone());
    }
}

/// Deletes a service instance with its bindings. Its broker is not told.
pub fn delete_service(tx: &mut Tx, service: ServiceId) {
    let bindings = tx.bindings_of_service(service);
    let mut gone: Vec<Key> = bindings.map(|binding| Key::from(binding.id)).collect();
    let routes = tx.route_bindings_of_service(service);
    gone.extend(routes.map(|binding| Key::from(binding.id)));
    gone.push(service.into());
    for key in gone {
        tx.delete(key);
    }
}

/// Deletes a route with its bindings to services. Brokers are not told.
pub fn delete_route(tx: &mut Tx, route: RouteId) {
    let bindings = tx.route_bindings_of(route);
    let mut gone: Vec<Key> = bindings.map(|binding| Key::from(binding.id)).collect();
    gone.push(route.into());
    for key in gone {
        tx.delete(key);
    }
}

/// Deletes an offering with its plans and their instances. The broker is not told.
pub fn delete_offering(tx: &mut Tx, offering: OfferingId) {
    let plans: Vec<_> = tx.plans_of(offering).map(|plan| plan.id).collect();
    for plan in plans {
        let services: Vec<_> = tx.services_of_plan(plan).map(|found| found.id).collect();
        for service in services {
            delete_service(tx, service);
        }
        tx.delete(plan);
    }
    tx.delete(offering);
}

/// Deletes a broker with all that it offers, and gives up what may be left at it.
pub fn delete_broker(tx: &mut Tx, broker: BrokerId) {
    let offerings: Vec<_> = tx.offerings_of(broker).map(|found| found.id).collect();
    for offering in offerings {
        delete_offering(tx, offering);
    }
    let orphans = tx.orphans.values().filter(|orphan| orphan.broker == broker);
    let mut gone: Vec<Key> = orphans.map(|orphan| Key::from(orphan.id)).collect();
    gone.push(broker.into());
    for key in gone {
        tx.delete(key);
    }
}

/// Deletes a space with its apps, services, brokers, routes and roles, and ends what holds in it.
pub fn delete_space(tx: &mut Tx, space: SpaceId) {
    let apps: Vec<AppId> = tx.apps_of(space).map(|app| app.id).collect();
    for app in apps {
        delete_app(tx, app);
    }
    let services: Vec<ServiceId> = tx.services_of(space).map(|service| service.id).collect();
    for service in services {
        delete_service(tx, service);
    }
    let shared: Vec<Service> = tx.services_shared_with(space).cloned().collect();
    for mut service in shared {
        service.shared_with.remove(&space);
        tx.put(service);
    }
    let shared: Vec<Route> = tx.routes_shared_with(space).cloned().collect();
    for mut route in shared {
        route.shared_with.remove(&space);
        tx.put(route);
    }
    let brokers = tx
        .brokers
        .values()
        .filter(|broker| broker.space == Some(space));
    let brokers: Vec<_> = brokers.map(|broker| broker.id).collect();
    for broker in brokers {
        delete_broker(tx, broker);
    }
    let holds = |group: &&Arc<SecurityGroup>| {
        let reaches = [&group.running, &group.staging];
        reaches.iter().any(|reach| reach.spaces.contains(&space))
    };
    let groups: Vec<_> = tx.security_groups.values().filter(holds).cloned().collect();
    for group in groups {
        let mut group = SecurityGroup::clone(&group);
        group.running.spaces.remove(&space);
        group.staging.spaces.remove(&space);
        tx.put(group);
    }
    let routes: Vec<_> = tx.routes_of_space(space).map(|route| route.id).collect();
    for route in routes {
        delete_route(tx, route);
    }
    let mut gone: Vec<Key> = vec![space.into()];
    gone.extend(
        tx.roles_in(RoleScope::Space(space))
            .map(|role| Key::from(role.id)),
    );
    for key in gone {
        tx.delete(key);
    }
}

/// Deletes an organization with its spaces, private domains and roles.
pub fn delete_org(tx: &mut Tx, org: OrgId) {
    let spaces: Vec<SpaceId> = tx.spaces_of(org).map(|space| space.id).collect();
    for space in spaces {
        delete_space(tx, space);
    }
    let (mut private, mut shared) = (Vec::new(), Vec::new());
    for domain in tx.domains.values() {
        if domain.org == Some(org) {
            private.push(domain.id);
        } else if domain.shared_with.contains(&org) {
            shared.push(domain.as_ref().clone());
        }
    }
    for domain in private {
        delete_domain(tx, domain);
    }
    for mut domain in shared {
        domain.shared_with.retain(|other| *other != org);
        tx.put(domain);
    }
    let plans = tx.plans.values().filter(|plan| plan.orgs.contains(&org));
    let plans: Vec<Plan> = plans.map(|plan| Plan::clone(plan)).collect();
    for mut plan in plans {
        plan.orgs.remove(&org);
        tx.put(plan);
    }
    forget_in_segments(tx, org);
    let mut gone: Vec<Key> = vec![org.into()];
    gone.extend(tx.space_quotas_of(org).map(|quota| Key::from(quota.id)));
    gone.extend(
        tx.roles_in(RoleScope::Org(org))
            .map(|role| Key::from(role.id)),
    );
    for key in gone {
        tx.delete(key);
    }
}

/// Ends an organization's use of isolation segments.
fn forget_in_segments(tx: &mut Tx, org: OrgId) {
    let entitled = tx
        .segments
        .values()
        .filter(|segment| segment.orgs.contains(&org));
    let entitled: Vec<_> = entitled.cloned().collect();
    for segment in entitled {
        let mut segment = IsolationSegment::clone(&segment);
        segment.orgs.remove(&org);
        tx.put(segment);
    }
}

/// Deletes a domain with its routes.
pub fn delete_domain(tx: &mut Tx, domain: DomainId) {
    let routes = tx.routes.values().filter(|route| route.domain == domain);
    let gone: Vec<_> = routes.map(|route| route.id).collect();
    for route in gone {
        delete_route(tx, route);
    }
    tx.delete(domain);
}
