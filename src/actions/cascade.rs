//! What goes when something goes: deletions with all that hangs on the deleted.

use std::sync::Arc;

use crate::{
    model::{AppId, DomainId, OrgId, RoleScope, Route, SecurityGroup, ServiceId, SpaceId, UserId},
    store::{Key, Tx},
};

/// Deletes an app with its processes, packages, builds, droplets, tasks, bindings and network
/// policies,
/// and takes it out of the destinations of routes, which stay.
pub(super) fn delete_app(tx: &mut Tx, app: AppId) {
    let mut gone: Vec<Key> = vec![app.into()];
    gone.extend(tx.processes_of(app).map(|process| Key::from(process.id)));
    gone.extend(tx.packages_of(app).map(|package| Key::from(package.id)));
    gone.extend(tx.builds_of(app).map(|build| Key::from(build.id)));
    gone.extend(tx.droplets_of(app).map(|droplet| Key::from(droplet.id)));
    gone.extend(tx.tasks_of(app).map(|task| Key::from(task.id)));
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

/// Deletes a service instance with its bindings.
pub(super) fn delete_service(tx: &mut Tx, service: ServiceId) {
    let bindings = tx.bindings_of_service(service);
    let mut gone: Vec<Key> = bindings.map(|binding| Key::from(binding.id)).collect();
    gone.push(service.into());
    for key in gone {
        tx.delete(key);
    }
}

/// Deletes a space with its apps, services, routes and roles, and ends what holds in it.
pub(super) fn delete_space(tx: &mut Tx, space: SpaceId) {
    let apps: Vec<AppId> = tx.apps_of(space).map(|app| app.id).collect();
    for app in apps {
        delete_app(tx, app);
    }
    let services: Vec<ServiceId> = tx.services_of(space).map(|service| service.id).collect();
    for service in services {
        delete_service(tx, service);
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
    let mut gone: Vec<Key> = vec![space.into()];
    gone.extend(tx.routes_of_space(space).map(|route| Key::from(route.id)));
    gone.extend(
        tx.roles_in(RoleScope::Space(space))
            .map(|role| Key::from(role.id)),
    );
    for key in gone {
        tx.delete(key);
    }
}

/// Deletes an organization with its spaces, private domains and roles.
pub(super) fn delete_org(tx: &mut Tx, org: OrgId) {
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

/// Deletes a domain with its routes.
pub(super) fn delete_domain(tx: &mut Tx, domain: DomainId) {
    let routes = tx.routes.values().filter(|route| route.domain == domain);
    let gone: Vec<_> = routes.map(|route| route.id).collect();
    for route in gone {
        tx.delete(route);
    }
    tx.delete(domain);
}

/// Deletes a user with their roles and sessions.
pub(super) fn delete_user(tx: &mut Tx, user: UserId) {
    crate::identity::end_sessions(tx, user);
    let roles: Vec<_> = tx.roles_of_user(user).map(|role| role.id).collect();
    for role in roles {
        tx.delete(role);
    }
    tx.delete(user);
}
