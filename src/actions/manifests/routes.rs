//! The routes of a manifest.

use super::{apply::Apply, words};
use crate::{
    actions::{
        default_domain,
        routes::{NewRoute, note_mapping, put_new, usual_protocol},
        usable_in,
    },
    model::{
        App, AppProtocol, Destination, DestinationId, Domain, OrgId, ProcessType, Route, RouteHost,
        RoutePath,
    },
    store::{State, Tx},
    wire::{
        manifest::{RouteManifest, Routing},
        route::apply_options,
    },
};

/// Longest host that an app's name may become: a DNS label.
const LONGEST_HOST: usize = 63;

/// Makes and maps the routes that `routing` asks for.
///
/// # Errors
/// Everything that is wrong.
pub(super) fn apply(
    with: Apply<'_>,
    tx: &mut Tx,
    app: &App,
    routing: &Routing,
) -> Result<(), Vec<String>> {
    let routed = tx.routes_of_app(app.id).next().is_some();
    match routing {
        Routing::Keep => Ok(()),
        Routing::Unmap => {
            unmap_all(with, tx, app);
            Ok(())
        }
        Routing::Map(routes) => {
            let errors: Vec<String> = routes
                .iter()
                .filter_map(|route| listed(with, tx, app, route).err())
                .collect();
            if errors.is_empty() {
                Ok(())
            } else {
                Err(errors)
            }
        }
        Routing::Random | Routing::Default if routed => Ok(()),
        Routing::Default => default(with, tx, app).map_err(|error| vec![error]),
        Routing::Random => random(with, tx, app).map_err(|error| vec![error]),
    }
}

fn unmap_all(with: Apply<'_>, tx: &mut Tx, app: &App) {
    let routes: Vec<Route> = tx.routes_of_app(app.id).cloned().collect();
    for mut route in routes {
        let (gone, stay) = route
            .destinations
            .into_iter()
            .partition::<Vec<_>, _>(|destination| destination.app == app.id);
        route.destinations = stay;
        route.updated_at = with.now;
        for destination in &gone {
            note_mapping(
                tx,
                with.caller,
                ("unmap", true),
                &route,
                destination,
                with.now,
            );
        }
        tx.put(route);
    }
}

fn listed(with: Apply<'_>, tx: &mut Tx, app: &App, wanted: &RouteManifest) -> Result<(), String> {
    let text = &wanted.url.text;
    let org = org_of(tx, app)?;
    let found = wanted.url.candidates().find_map(|(host, name)| {
        let domain = tx.domain_by_name(&name)?;
        usable_in(domain, org).then(|| (host, domain.clone()))
    });
    let Some((host, domain)) = found else {
        return Err(format!("No domains exist for route {text}"));
    };
    let place = Place {
        domain: &domain,
        host: &host,
        path: &wanted.url.path,
        port: wanted.url.port,
    };
    let mut route =
        route_at(with, tx, app, &place).map_err(|error| format!("For route '{text}': {error}"))?;
    apply_options(&mut route.options, &wanted.options)
        .map_err(|errors| format!("For route '{text}': {}", errors.join(", ")))?;
    map(with, tx, app, route, wanted.protocol)
        .map_err(|error| format!("For route '{text}': {error}"))
}

fn default(with: Apply<'_>, tx: &mut Tx, app: &App) -> Result<(), String> {
    let host = app.name.to_lowercase();
    let label = host.len() <= LONGEST_HOST
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let host = RouteHost::parse(host)
        .ok()
        .filter(|_| label)
        .ok_or_else(|| {
            format!(
                "Failed to create default route from app name: Host must be at most \
                 {LONGEST_HOST} letters, digits, '-' or '_', not '{}'",
                app.name
            )
        })?;
    let domain = default_of(with, tx, app)?;
    let route = route_at(with, tx, app, &Place::bare(&domain, &host, &no_path()))
        .map_err(|error| format!("Failed to create default route from app name: {error}"))?;
    map(with, tx, app, route, None)
}

fn random(with: Apply<'_>, tx: &mut Tx, app: &App) -> Result<(), String> {
    /// Tries until a name is found that nobody has.
    const TRIES: u64 = 20;
    let domain = default_of(with, tx, app)?;
    let stem: String = app
        .name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(LONGEST_HOST - 22)
        .collect();
    let stem = stem.trim_matches('-');
    for attempt in 0..TRIES {
        let luck = with.luck.wrapping_add(attempt.wrapping_mul(0x9e37_79b9));
        let phrase = words::phrase(luck);
        let host = if stem.is_empty() {
            phrase
        } else {
            format!("{stem}-{phrase}")
        };
        let host = RouteHost::parse(host).map_err(|error| error.to_string())?;
        if tx.route_by_url(domain.id, &host, &no_path()).is_some() {
            continue;
        }
        let route = route_at(with, tx, app, &Place::bare(&domain, &host, &no_path()))?;
        return map(with, tx, app, route, None);
    }
    Err("No free random route was found; name one in 'routes'".to_owned())
}

fn no_path() -> RoutePath {
    RoutePath::parse("").expect("no path is a path")
}

fn default_of(with: Apply<'_>, state: &State, app: &App) -> Result<Domain, String> {
    let org = org_of(state, app)?;
    default_domain(state, &with.actions.config.domain, org)
        .cloned()
        .ok_or_else(|| "No default domains available".to_owned())
}

fn org_of(state: &State, app: &App) -> Result<OrgId, String> {
    state
        .spaces
        .get(&app.space)
        .map(|space| space.org)
        .ok_or_else(|| "Space not found".to_owned())
}

/// Where a route is.
struct Place<'a> {
    domain: &'a Domain,
    host: &'a RouteHost,
    path: &'a RoutePath,
    port: Option<u16>,
}

impl<'a> Place<'a> {
    const fn bare(domain: &'a Domain, host: &'a RouteHost, path: &'a RoutePath) -> Self {
        Self {
            domain,
            host,
            path,
            port: None,
        }
    }

    /// The route that is there; of a TCP domain without a port, one that the app has already.
    fn find<'s>(&self, state: &'s State, app: &App) -> Option<&'s Route> {
        match self.port {
            Some(port) => state
                .route_by_port(port)
                .filter(|route| route.domain == self.domain.id),
            None if self.domain.tcp => {
                let mut routes = state.routes_of_app(app.id);
                routes.find(|route| route.domain == self.domain.id)
            }
            None => state.route_by_url(self.domain.id, self.host, self.path),
        }
    }
}

/// The route of that address, made if there is none.
fn route_at(with: Apply<'_>, tx: &mut Tx, app: &App, place: &Place<'_>) -> Result<Route, String> {
    if let Some(route) = place.find(tx, app).cloned() {
        if !route.available_in(app.space) {
            return Err(
                "Routes cannot be mapped to destinations in different spaces: this one belongs \
                 to another space, so choose another host or path"
                    .to_owned(),
            );
        }
        return Ok(route);
    }
    let new = NewRoute {
        host: place.host.to_string(),
        path: place.path.to_string(),
        port: place.port,
        manifest: true,
        ..NewRoute::default()
    };
    put_new(
        tx,
        with.actions,
        with.caller,
        app.space,
        place.domain,
        new,
        with.now,
    )
    .map_err(|error| error.to_string())
}

/// Maps the route to the app's web process; a mapping with another protocol is replaced.
fn map(
    with: Apply<'_>,
    tx: &mut Tx,
    app: &App,
    mut route: Route,
    protocol: Option<AppProtocol>,
) -> Result<(), String> {
    let usual = usual_protocol(&route);
    if let Some(asked) = protocol
        && (asked == AppProtocol::Tcp) != (usual == AppProtocol::Tcp)
    {
        return Err(format!(
            "Cannot use '{}' protocol for {} routes",
            crate::wire::route::protocol(asked),
            if route.port.is_some() { "tcp" } else { "http" },
        ));
    }
    let web = ProcessType::web();
    let mapped = route
        .destinations
        .iter_mut()
        .find(|destination| destination.app == app.id && destination.process_type == web);
    match mapped {
        Some(destination) => {
            destination.protocol = protocol.unwrap_or(destination.protocol);
        }
        None => {
            let destination = Destination {
                id: DestinationId::random(),
                app: app.id,
                process_type: web,
                port: None,
                weight: None,
                protocol: protocol.unwrap_or(usual),
            };
            note_mapping(
                tx,
                with.caller,
                ("map", true),
                &route,
                &destination,
                with.now,
            );
            route.destinations.push(destination);
        }
    }
    if tx.routes.get(&route.id).is_none_or(|old| **old != route) {
        route.updated_at = with.now;
        tx.put(route);
    }
    Ok(())
}
