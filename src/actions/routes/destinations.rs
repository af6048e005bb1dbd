//! Where routes lead.

use super::notes::note_mapping;
use crate::{
    actions::{ActionError, Actions, Caller},
    authz::Verb,
    model::{AppId, AppProtocol, Destination, DestinationId, ProcessType, Route, RouteId},
    store::{State, Tx},
    wire::route::{NewDestination, parse_protocol},
};

/// Most destinations of one route (Cloud Foundry's limit).
const MOST_DESTINATIONS: usize = 100;

impl Actions {
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
            for destination in parse_all(tx, caller, route, &new)? {
                if !route
                    .destinations
                    .iter()
                    .any(|old| is_same(old, &destination))
                {
                    note_mapping(tx, caller, ("map", false), route, &destination, now);
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
            let mut wanted = parse_all(tx, caller, route, &new)?;
            check_weights(&wanted)?;
            for destination in &mut wanted {
                match route
                    .destinations
                    .iter()
                    .find(|old| is_same(old, destination))
                {
                    Some(old) => destination.id = old.id,
                    None => note_mapping(tx, caller, ("map", false), route, destination, now),
                }
            }
            for old in &route.destinations {
                if !wanted.iter().any(|destination| destination.id == old.id) {
                    note_mapping(tx, caller, ("unmap", false), route, old, now);
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
        let asked = match protocol {
            None => None,
            Some(name) => Some(parse_protocol(name).ok_or_else(no_protocol)?),
        };
        let now = self.now();
        let change = move |_: &mut Tx, route: &mut Route| {
            let refuse = |text: &str| Err(ActionError::Unprocessable(text.to_owned()));
            let tcp = asked == Some(AppProtocol::Tcp);
            if route.port.is_some() && !tcp {
                return refuse(
                    "Destination protocol must be 'tcp' if the parent route's protocol is 'tcp'",
                );
            }
            if route.port.is_none() && tcp {
                return refuse(
                    "Destination protocol must be 'http1' or 'http2' if the parent route's \
                     protocol is 'http'",
                );
            }
            let protocol = asked.unwrap_or_default();
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
            note_mapping(tx, caller, ("unmap", false), route, &gone, now);
            Ok(())
        };
        self.change_route(caller, id, now, change).await.map(drop)
    }
}

fn parse_all(
    state: &State,
    caller: &Caller,
    route: &Route,
    new: &[NewDestination],
) -> Result<Vec<Destination>, ActionError> {
    if new.len() > MOST_DESTINATIONS {
        return Err(ActionError::Unprocessable(format!(
            "Destinations must contain at most {MOST_DESTINATIONS} destinations"
        )));
    }
    let mut parsed: Vec<Destination> = Vec::new();
    for destination in new {
        let destination = parse_one(state, caller, route, destination)?;
        if !parsed.iter().any(|old| is_same(old, &destination)) {
            parsed.push(destination);
        }
    }
    Ok(parsed)
}

fn parse_one(
    state: &State,
    caller: &Caller,
    route: &Route,
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
    if !route.available_in(app.space) {
        return refuse(
            "Routes destinations must be in either the route's space or the route's shared spaces"
                .to_owned(),
        );
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
        protocol: protocol_for(route, new.protocol.as_deref())?,
    })
}

/// How to speak to a destination of `route`, which `name` may say.
fn protocol_for(route: &Route, name: Option<&str>) -> Result<AppProtocol, ActionError> {
    let usual = usual_protocol(route);
    let Some(name) = name else {
        return Ok(usual);
    };
    let protocol = parse_protocol(name).ok_or_else(no_protocol)?;
    let (tcp, of_tcp) = (usual == AppProtocol::Tcp, protocol == AppProtocol::Tcp);
    if tcp != of_tcp {
        let (route, valid) = if tcp {
            ("tcp", "tcp")
        } else {
            ("http", "http1, http2")
        };
        return Err(ActionError::Unprocessable(format!(
            "Cannot use '{name}' protocol for {route} routes; valid options are: [{valid}]."
        )));
    }
    Ok(protocol)
}

/// How destinations of `route` are spoken to where nothing is said.
pub(in crate::actions) const fn usual_protocol(route: &Route) -> AppProtocol {
    match route.port {
        Some(_) => AppProtocol::Tcp,
        None => AppProtocol::Http1,
    }
}

fn no_protocol() -> ActionError {
    ActionError::Unprocessable("Destination protocol must be 'http1', 'http2' or 'tcp'.".to_owned())
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
fn is_same(a: &Destination, b: &Destination) -> bool {
    (a.app, &a.process_type, a.port) == (b.app, &b.process_type, b.port)
}

fn no_destination() -> ActionError {
    ActionError::Unprocessable(
        "Unable to unmap route from destination. Ensure the route has a destination with this \
         guid."
            .to_owned(),
    )
}
