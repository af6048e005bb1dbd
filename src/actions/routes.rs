//! Routes and where they lead.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    ActionError, Actions, Caller,
    audit::{audit, target},
    domains::usable_in,
    jobs::finished_job,
    roles::readable_space,
};
use crate::{
    authz::{Place, Verb},
    model::{
        AppId, Destination, DestinationId, Domain, DomainId, Job, Metadata, ProcessType, Route,
        RouteHost, RouteId, RoutePath, Space, SpaceId, Timestamp,
    },
    store::{State, Tx},
    wire::route::{Create, NewDestination, Update, apply_options, parse_protocol},
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

/// Most destinations of one route (Cloud Foundry's limit).
const MOST_DESTINATIONS: usize = 100;

/// Whether `host` under the platform's own domain is the platform's.
pub(super) fn is_reserved(host: &str) -> bool {
    RESERVED.contains(&host)
}

impl Actions {
    /// The routes that the caller may see.
    #[must_use]
    pub fn routes(&self, caller: &Caller) -> Vec<Arc<Route>> {
        let state = self.store.state();
        let routes = state.routes.values();
        routes
            .filter(|route| caller.may_in_space(&state, Verb::ReadSpace, route.space))
            .cloned()
            .collect()
    }

    /// The routes that lead to an app that the caller may see.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn routes_of_app(
        &self,
        caller: &Caller,
        app: AppId,
    ) -> Result<Vec<Arc<Route>>, ActionError> {
        let state = self.store.state();
        let found = state.apps.get(&app).ok_or(ActionError::NotFound("App"))?;
        caller.need_in_space(&state, Verb::ReadSpace, found.space, "App")?;
        let routes = state.routes_of_app(app);
        Ok(routes
            .filter_map(|route| state.routes.get(&route.id))
            .cloned()
            .collect())
    }

    /// The route, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn route(&self, caller: &Caller, id: RouteId) -> Result<Arc<Route>, ActionError> {
        let state = self.store.state();
        let route = state.routes.get(&id).cloned();
        let route = route.ok_or(ActionError::NotFound("Route"))?;
        caller.need_in_space(&state, Verb::ReadSpace, route.space, "Route")?;
        Ok(route)
    }

    /// Makes a route.
    ///
    /// # Errors
    /// Where the caller may not, or host or path are bad or taken.
    pub async fn create_route(&self, caller: &Caller, body: Create) -> Result<Route, ActionError> {
        if body.port.is_some() {
            return Err(ActionError::Unprocessable(
                "Routes with protocol 'http' do not support ports.".to_owned(),
            ));
        }
        let now = self.now();
        let mut route = NewRoute {
            host: body.host.unwrap_or_default(),
            path: body.path.unwrap_or_default(),
            ..NewRoute::default()
        };
        body.metadata
            .apply(&mut route.metadata)
            .map_err(ActionError::Unprocessable)?;
        apply_options(&mut route.options, &body.options).map_err(ActionError::Unprocessable)?;
        let relationships = body.relationships;
        self.store
            .commit(move |tx| {
                let space = readable_space(tx, caller, relationships.space.id())?;
                let domain: Option<DomainId> = relationships.domain.id();
                let domain = domain
                    .and_then(|domain| tx.domains.get(&domain))
                    .cloned()
                    .ok_or_else(no_domain)?;
                put_new(tx, self, caller, space, &domain, route, now)
            })
            .await
    }

    /// Changes a route's options, labels and annotations.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn update_route(
        &self,
        caller: &Caller,
        id: RouteId,
        body: Update,
    ) -> Result<Route, ActionError> {
        let now = self.now();
        let change = move |tx: &mut Tx, route: &mut Route| {
            apply_options(&mut route.options, &body.options).map_err(ActionError::Unprocessable)?;
            body.metadata
                .apply(&mut route.metadata)
                .map_err(ActionError::Unprocessable)?;
            let data = json!({ "request": {
                "options": body.options, "metadata": body.metadata,
            } });
            note(tx, caller, "audit.route.update", route, data, now);
            Ok(())
        };
        self.change_route(caller, id, now, change).await
    }

    /// Gives a route to another space.
    ///
    /// # Errors
    /// Where the caller may not in either space, or the route leads to apps.
    pub async fn transfer_route(
        &self,
        caller: &Caller,
        id: RouteId,
        to: SpaceId,
    ) -> Result<Route, ActionError> {
        let now = self.now();
        let change = move |tx: &mut Tx, route: &mut Route| {
            readable_space(tx, caller, Some(to))?;
            caller.need_in_space(tx, Verb::WriteApps, to, "Space")?;
            let refuse = |text: &str| Err(ActionError::Unprocessable(text.to_owned()));
            let org = tx.spaces.get(&to).map(|space| space.org);
            let domain = tx.domains.get(&route.domain);
            if !domain
                .zip(org)
                .is_some_and(|(domain, org)| usable_in(domain, org))
            {
                return refuse(
                    "Unable to transfer the route: the domain is not available in the target \
                     space's organization",
                );
            }
            if route.space != to && !route.destinations.is_empty() {
                return refuse(
                    "Unable to transfer the route while it is mapped to apps of its space. \
                     Unmap it first.",
                );
            }
            route.space = to;
            let data = json!({ "request": { "space_guid": to.to_string() } });
            note(tx, caller, "audit.route.transfer-owner", route, data, now);
            Ok(())
        };
        self.change_route(caller, id, now, change).await
    }

    /// Deletes a route.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn delete_route(&self, caller: &Caller, id: RouteId) -> Result<Job, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                writable(tx, caller, id)?;
                remove(tx, caller, id, now);
                Ok(finished_job(tx, "route.delete", now))
            })
            .await
    }

    /// Leads a route to more processes; what it leads to already is no mistake.
    ///
    /// # Errors
    /// Where the caller may not, or a destination makes no sense.
    pub async fn add_destinations(
        &self,
        caller: &Caller,
        id: RouteId,
        new: Vec<NewDestination>,
    ) -> Result<Route, ActionError> {
        let now = self.now();
        let change = move |tx: &mut Tx, route: &mut Route| {
            let weighted = |text: &str| Err(ActionError::Unprocessable(text.to_owned()));
            if new.iter().any(|destination| destination.weight.is_some()) {
                return weighted(
                    "Weighted destinations can only be given all at once: PATCH the route's \
                     destinations.",
                );
            }
            if route.destinations.iter().any(|old| old.weight.is_some()) {
                return weighted(
                    "Destinations cannot be inserted when there are weighted destinations \
                     already configured.",
                );
            }
            for destination in parse_all(tx, caller, route.space, &new)? {
                if !route
                    .destinations
                    .iter()
                    .any(|old| is_same(old, &destination))
                {
                    note_mapping(tx, caller, "map", route, &destination, now);
                    route.destinations.push(destination);
                }
            }
            Ok(())
        };
        self.change_route(caller, id, now, change).await
    }

    /// Leads a route to exactly these processes.
    ///
    /// # Errors
    /// Where the caller may not, or a destination makes no sense.
    pub async fn replace_destinations(
        &self,
        caller: &Caller,
        id: RouteId,
        new: Vec<NewDestination>,
    ) -> Result<Route, ActionError> {
        let now = self.now();
        let change = move |tx: &mut Tx, route: &mut Route| {
            let mut wanted = parse_all(tx, caller, route.space, &new)?;
            check_weights(&wanted)?;
            for destination in &mut wanted {
                match route
                    .destinations
                    .iter()
                    .find(|old| is_same(old, destination))
                {
                    Some(old) => destination.id = old.id,
                    None => note_mapping(tx, caller, "map", route, destination, now),
                }
            }
            for old in &route.destinations {
                if !wanted.iter().any(|destination| destination.id == old.id) {
                    note_mapping(tx, caller, "unmap", route, old, now);
                }
            }
            route.destinations = wanted;
            Ok(())
        };
        self.change_route(caller, id, now, change).await
    }

    /// Sets the protocol of a destination.
    ///
    /// # Errors
    /// Where the caller may not, or there is no such destination or protocol.
    pub async fn update_destination(
        &self,
        caller: &Caller,
        id: RouteId,
        destination: DestinationId,
        protocol: Option<&str>,
    ) -> Result<Destination, ActionError> {
        let protocol = parse_protocol(protocol).map_err(ActionError::Unprocessable)?;
        let now = self.now();
        let change = move |_: &mut Tx, route: &mut Route| {
            let found = route.destinations.iter_mut().find(|d| d.id == destination);
            found.ok_or_else(no_destination)?.protocol = protocol;
            Ok(())
        };
        let route = self.change_route(caller, id, now, change).await?;
        let mut destinations = route.destinations.into_iter();
        destinations
            .find(|d| d.id == destination)
            .ok_or_else(no_destination)
    }

    /// Takes a destination away.
    ///
    /// # Errors
    /// Where the caller may not, or there is no such destination.
    pub async fn remove_destination(
        &self,
        caller: &Caller,
        id: RouteId,
        destination: DestinationId,
    ) -> Result<(), ActionError> {
        let now = self.now();
        let change = move |tx: &mut Tx, route: &mut Route| {
            let at = route.destinations.iter().position(|d| d.id == destination);
            let gone = route.destinations.remove(at.ok_or_else(no_destination)?);
            // Shares of the rest would no longer add up.
            for rest in &mut route.destinations {
                rest.weight = None;
            }
            note_mapping(tx, caller, "unmap", route, &gone, now);
            Ok(())
        };
        self.change_route(caller, id, now, change).await.map(drop)
    }

    async fn change_route(
        &self,
        caller: &Caller,
        id: RouteId,
        now: Timestamp,
        change: impl FnOnce(&mut Tx, &mut Route) -> Result<(), ActionError>,
    ) -> Result<Route, ActionError> {
        self.store
            .commit(move |tx| {
                let mut route = writable(tx, caller, id)?;
                change(tx, &mut route)?;
                route.updated_at = now;
                tx.put(route.clone());
                Ok(route)
            })
            .await
    }
}

/// A route that is asked for, apart from where it belongs.
#[derive(Debug, Default)]
pub(super) struct NewRoute {
    /// The host, in any case.
    pub(super) host: String,
    /// The path.
    pub(super) path: String,
    /// Options by name.
    pub(super) options: std::collections::BTreeMap<String, String>,
    /// Labels and annotations.
    pub(super) metadata: Metadata,
}

/// Puts a new route after checking every rule about hosts, domains and spaces.
///
/// # Errors
/// Words for the user about the first rule that is broken.
pub(super) fn put_new(
    tx: &mut Tx,
    actions: &Actions,
    caller: &Caller,
    space: SpaceId,
    domain: &Domain,
    new: NewRoute,
    now: Timestamp,
) -> Result<Route, ActionError> {
    caller.need_in_space(tx, Verb::OperateApps, space, "Space")?;
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
    let route = Route {
        id: RouteId::random(),
        space,
        domain: domain.id,
        host,
        path,
        destinations: Vec::new(),
        options: new.options,
        metadata: new.metadata,
        created_at: now,
        updated_at: now,
    };
    check_free(tx, &route, domain)?;
    tx.put(route.clone());
    let data = json!({ "request": {
        "host": route.host, "path": route.path, "domain": domain.name,
    } });
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
    if domain.org.is_none() {
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
    let fqdn = crate::model::DomainName::parse(route.fqdn(name)).ok();
    let clash = fqdn.and_then(|fqdn| state.domain_by_name(&fqdn));
    if let Some(other) = clash.filter(|other| other.id != domain.id) {
        return refuse(format!(
            "Route conflicts with domain '{}'. Create the route under that domain.",
            other.name
        ));
    }
    Ok(())
}

/// The route, where the caller may change it.
fn writable(state: &State, caller: &Caller, id: RouteId) -> Result<Route, ActionError> {
    let route = state
        .routes
        .get(&id)
        .ok_or(ActionError::NotFound("Route"))?;
    caller.need_in_space(state, Verb::OperateApps, route.space, "Route")?;
    Ok(Route::clone(route))
}

/// Deletes a route and tells the audit trail.
pub(super) fn remove(tx: &mut Tx, caller: &Caller, id: RouteId, now: Timestamp) {
    let Some(route) = tx.routes.get(&id).map(|route| Route::clone(route)) else {
        return;
    };
    tx.delete(id);
    let data = json!({ "request": { "recursive": true } });
    note(tx, caller, "audit.route.delete-request", &route, data, now);
}

fn parse_all(
    state: &State,
    caller: &Caller,
    space: SpaceId,
    new: &[NewDestination],
) -> Result<Vec<Destination>, ActionError> {
    if new.len() > MOST_DESTINATIONS {
        return Err(ActionError::Unprocessable(format!(
            "Destinations must contain at most {MOST_DESTINATIONS} destinations"
        )));
    }
    let mut parsed: Vec<Destination> = Vec::new();
    for destination in new {
        let destination = parse_one(state, caller, space, destination)?;
        if !parsed.iter().any(|old| is_same(old, &destination)) {
            parsed.push(destination);
        }
    }
    Ok(parsed)
}

fn parse_one(
    state: &State,
    caller: &Caller,
    space: SpaceId,
    new: &NewDestination,
) -> Result<Destination, ActionError> {
    let refuse = |text: String| Err(ActionError::Unprocessable(text));
    let id: Option<AppId> = new.app.guid.parse().ok();
    let app = id
        .and_then(|id| state.apps.get(&id))
        .filter(|app| caller.may_in_space(state, Verb::ReadSpace, app.space));
    let Some(app) = app else {
        return refuse(format!(
            "App(s) with guid(s) \"{}\" do not exist or you do not have access.",
            new.app.guid
        ));
    };
    if app.space != space {
        return refuse("Routes cannot be mapped to destinations in different spaces.".to_owned());
    }
    let process_type = match &new.app.process {
        Some(process) => ProcessType::parse(process.kind.clone())?,
        None => ProcessType::web(),
    };
    let port = match new.port {
        None => None,
        Some(port) => match u16::try_from(port) {
            // Below 1,024 an app has no right to listen.
            Ok(port) if port >= 1024 => Some(port),
            _ => return refuse("Destination ports must be between 1024 and 65535.".to_owned()),
        },
    };
    let weight = match new.weight {
        None => None,
        Some(weight) => match u8::try_from(weight) {
            Ok(weight) if (1..=100).contains(&weight) => Some(weight),
            _ => return refuse("Destination weights must be between 1 and 100.".to_owned()),
        },
    };
    Ok(Destination {
        id: DestinationId::random(),
        app: app.id,
        process_type,
        port,
        weight,
        protocol: parse_protocol(new.protocol.as_deref()).map_err(ActionError::Unprocessable)?,
    })
}

fn check_weights(destinations: &[Destination]) -> Result<(), ActionError> {
    let weights: Vec<u32> = destinations
        .iter()
        .filter_map(|destination| destination.weight.map(u32::from))
        .collect();
    if weights.is_empty() {
        return Ok(());
    }
    if weights.len() != destinations.len() {
        return Err(ActionError::Unprocessable(
            "Destinations cannot contain both weighted and unweighted destinations.".to_owned(),
        ));
    }
    if weights.iter().sum::<u32>() != 100 {
        return Err(ActionError::Unprocessable(
            "Destinations must have weights that add up to 100.".to_owned(),
        ));
    }
    Ok(())
}

/// Whether both lead to the same port of the same process.
pub(super) fn is_same(a: &Destination, b: &Destination) -> bool {
    (a.app, &a.process_type, a.port) == (b.app, &b.process_type, b.port)
}

fn no_domain() -> ActionError {
    ActionError::Unprocessable(
        "Invalid domain. Ensure that the domain exists and you have access to it.".to_owned(),
    )
}

fn no_destination() -> ActionError {
    ActionError::Unprocessable(
        "Unable to unmap route from destination. Ensure the route has a destination with this \
         guid."
            .to_owned(),
    )
}

fn place_of(state: &State, space: SpaceId) -> Place {
    state
        .spaces
        .get(&space)
        .map_or(Place::Platform, |found| Place::Space {
            space,
            org: found.org,
        })
}

fn note(tx: &mut Tx, caller: &Caller, kind: &str, route: &Route, data: Value, now: Timestamp) {
    let place = place_of(tx, route.space);
    let target = target("route", route.id, &route.host);
    audit(tx, &caller.actor(), kind, target, place, data, now);
}

/// Tells the app's audit trail that a route leads to it or no longer does; `what` is `map` or
/// `unmap`.
pub(super) fn note_mapping(
    tx: &mut Tx,
    caller: &Caller,
    what: &str,
    route: &Route,
    destination: &Destination,
    now: Timestamp,
) {
    let place = place_of(tx, route.space);
    let name = tx
        .apps
        .get(&destination.app)
        .map(|app| app.name.to_string());
    let target = target("app", destination.app, &name.unwrap_or_default());
    let data = json!({
        "route_guid": route.id.to_string(),
        "destination_guid": destination.id.to_string(),
        "app_port": destination.port,
        "process_type": destination.process_type,
        "weight": destination.weight,
        "protocol": crate::wire::route::protocol(destination.protocol),
    });
    let kind = format!("audit.app.{what}-route");
    audit(tx, &caller.actor(), &kind, target, place, data, now);
}
