//! New routes: the rules about hosts, domains and spaces.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::notes::note;
use crate::{
    actions::{ActionError, Actions, Caller, domains::usable_in, flags, quotas},
    authz::Verb,
    model::{
        Domain, DomainName, Flag, Metadata, Route, RouteHost, RouteId, RoutePath, Space, SpaceId,
        Timestamp,
    },
    store::{State, Tx},
    wire::shared,
};

/// Hosts under the platform's own domain that are the platform's.
const RESERVED: [&str; 10] = [
    "api",
    "app-ssh",
    "doppler",
    "log-cache",
    "log-stream",
    "login",
    "portal",
    "registry",
    "ssh",
    "uaa",
];

/// Whether `host` under the platform's own domain is the platform's.
pub(in crate::actions) fn is_reserved(host: &str) -> bool {
    RESERVED.contains(&host)
}

/// A route that is asked for, apart from where it belongs.
#[derive(Debug, Default)]
pub(in crate::actions) struct NewRoute {
    /// The host, in any case.
    pub(in crate::actions) host: String,
    /// The path.
    pub(in crate::actions) path: String,
    /// The port; of a TCP route any free one where there is none.
    pub(in crate::actions) port: Option<u16>,
    /// Whether a manifest asks for it.
    pub(in crate::actions) manifest: bool,
    /// Options by name.
    pub(in crate::actions) options: BTreeMap<String, String>,
    /// Labels and annotations.
    pub(in crate::actions) metadata: Metadata,
}

/// Puts a new route after checking every rule about hosts, domains and spaces.
///
/// # Errors
/// Words for the user about the first rule that is broken.
pub(in crate::actions) fn put_new(
    tx: &mut Tx,
    actions: &Actions,
    caller: &Caller,
    space: SpaceId,
    domain: &Domain,
    new: NewRoute,
    now: Timestamp,
) -> Result<Route, ActionError> {
    caller.need_in_space(tx, Verb::OperateApps, space, "Space")?;
    flags::need(tx, caller, Flag::RouteCreation)?;
    let found = tx.spaces.get(&space).cloned();
    let found = found.ok_or(ActionError::NotFound("Space"))?;
    let host = RouteHost::parse(new.host.to_lowercase())?;
    let path = RoutePath::parse(new.path)?;
    check_domain(tx, caller, &found, domain, &host, &path)?;
    if domain.name == actions.config.domain && is_reserved(&host) {
        return Err(ActionError::Unprocessable(format!(
            "The host '{host}' is reserved by the platform. Choose another one."
        )));
    }
    let id = RouteId::random();
    let port = match (domain.tcp, new.port) {
        (true, port) => Some(port_of(tx, actions, domain, &host, &path, port, id)?),
        (false, None | Some(0)) => None,
        (false, Some(_)) => {
            return Err(ActionError::Unprocessable(
                "Routes with protocol 'http' do not support ports.".to_owned(),
            ));
        }
    };
    let route = Route {
        id,
        space,
        shared_with: BTreeSet::new(),
        domain: domain.id,
        host,
        path,
        port,
        destinations: Vec::new(),
        options: new.options,
        metadata: new.metadata,
        created_at: now,
        updated_at: now,
    };
    if port.is_none() {
        check_free(tx, &route, domain)?;
    }
    quotas::within(tx, space, |tx| {
        tx.put(route.clone());
        Ok(())
    })?;
    let mut data = json!({ "request": {
        "host": route.host, "path": route.path, "port": route.port, "options": route.options,
        "relationships": {
            "space": shared::to_one(space), "domain": shared::to_one(domain.id),
        },
    } });
    if new.manifest {
        data["manifest_triggered"] = json!(true);
    }
    note(tx, caller, "audit.route.create", &route, data, now);
    Ok(route)
}

fn check_domain(
    state: &State,
    caller: &Caller,
    space: &Space,
    domain: &Domain,
    host: &RouteHost,
    path: &RoutePath,
) -> Result<(), ActionError> {
    let refuse = |text: String| Err(ActionError::Unprocessable(text));
    if !usable_in(domain, space.org) {
        let visible = domain
            .org
            .is_none_or(|org| caller.may_in_org(Verb::ReadOrg, org));
        if !visible {
            return Err(no_domain());
        }
        let org = state.orgs.get(&space.org).map(|org| org.name.to_string());
        return refuse(format!(
            "Invalid domain. Domain '{}' is not available in organization '{}'.",
            domain.name,
            org.unwrap_or_default()
        ));
    }
    if domain.internal {
        if host.as_str() == "*" {
            return refuse("Wildcard hosts are not supported for internal domains.".to_owned());
        }
        if !path.is_empty() {
            return refuse("Paths are not supported for internal domains.".to_owned());
        }
    }
    if domain.org.is_none() && !domain.tcp {
        // The bare domain and everything that nobody took belong to no tenant.
        if host.is_empty() {
            return refuse(
                "Missing host. Routes in shared domains must have a host defined.".to_owned(),
            );
        }
        if host.as_str() == "*" && !caller.grants.admin {
            return refuse("Only admins may create wildcard routes in shared domains.".to_owned());
        }
    }
    Ok(())
}

/// The port of a new TCP route: the one that is asked for, or any that is free.
fn port_of(
    state: &State,
    actions: &Actions,
    domain: &Domain,
    host: &RouteHost,
    path: &RoutePath,
    port: Option<u16>,
    luck: RouteId,
) -> Result<u16, ActionError> {
    let refuse = |text: String| Err(ActionError::Unprocessable(text));
    let Some(ports) = actions.config.tcp_ports else {
        return refuse(
            "Route could not be created because the specified domain does not have a valid router \
             group."
                .to_owned(),
        );
    };
    if !host.is_empty() {
        return refuse("Hosts are not supported for TCP routes.".to_owned());
    }
    if !path.is_empty() {
        return refuse("Paths are not supported for TCP routes.".to_owned());
    }
    if let Some(port) = port {
        return match state.route_by_port(port) {
            Some(taken) if taken.domain == domain.id => refuse(format!(
                "Route already exists with port '{port}' for domain '{}'.",
                domain.name
            )),
            None if ports.contains(port) => Ok(port),
            _ => refuse(format!(
                "Port '{port}' is not available. Try a different port or use a different domain."
            )),
        };
    }
    // Anywhere in the range, so that a port which was given back is not the next one's at once.
    let count = u64::from(ports.last - ports.first) + 1;
    let start = luck.uuid().as_u64_pair().0 % count;
    let each = (0..count).map(|step| (start + step) % count);
    each.filter_map(|offset| u16::try_from(u64::from(ports.first) + offset).ok())
        .find(|port| state.route_by_port(*port).is_none())
        .ok_or_else(|| {
            let text = "There are no more ports available for this domain.";
            ActionError::Unprocessable(text.to_owned())
        })
}

/// Passes where the route's URL is not taken, neither by a route nor by a domain.
fn check_free(state: &State, route: &Route, domain: &Domain) -> Result<(), ActionError> {
    let refuse = |text: String| Err(ActionError::Unprocessable(text));
    let (host, path, name) = (&route.host, &route.path, &domain.name);
    if state.route_by_url(domain.id, host, path).is_some() {
        let with = match (host.is_empty(), path.is_empty()) {
            (false, false) => format!(" with host '{host}' and path '{path}'"),
            (false, true) => format!(" with host '{host}'"),
            (true, false) => format!(" with path '{path}'"),
            (true, true) => String::new(),
        };
        return refuse(format!("Route already exists{with} for domain '{name}'."));
    }
    // Who has a host has all its paths: another space must not slip under one.
    if state
        .routes_of_host(domain.id, host)
        .any(|other| other.space != route.space)
    {
        return refuse(format!(
            "Routes for host '{host}' and domain '{name}' have been reserved for another space."
        ));
    }
    let fqdn = DomainName::parse(route.fqdn(name)).ok();
    let clash = fqdn.and_then(|fqdn| state.domain_by_name(&fqdn));
    if let Some(other) = clash.filter(|other| other.id != domain.id) {
        return refuse(format!(
            "Route conflicts with domain '{}'. Create the route under that domain.",
            other.name
        ));
    }
    Ok(())
}

pub(super) fn no_domain() -> ActionError {
    ActionError::Unprocessable(
        "Invalid domain. Ensure that the domain exists and you have access to it.".to_owned(),
    )
}
