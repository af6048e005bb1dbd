//! `/v3/routes`.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Map, Value, json};

use super::{
    include,
    resource::{Listing, Resource, View, create, delete, list, show, update, verbs},
};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::NoContent,
        extract::{Auth, Base, Body, Id, Ids, RawQuery},
        openapi::{Router, delete as delete_at, get, patch},
    },
    model::{APP_PORT, AppId, DestinationId, Route, RouteId},
    store,
    wire::{self, Query, ToMany, ToOne, included, route, shared},
};

pub(super) fn router() -> Router {
    let one = get(show::<Route>).patch(update::<Route>);
    Router::new()
        .route("/routes", get(list::<Route>).post(create::<Route>))
        .route("/routes/{guid}", one.delete(delete::<Route>))
        .route(
            "/routes/{guid}/destinations",
            get(destinations)
                .post(add_destinations)
                .patch(replace_destinations),
        )
        .route(
            "/routes/{guid}/destinations/{destination}",
            patch(update_destination).delete(remove_destination),
        )
        .route(
            "/routes/{guid}/relationships/shared_spaces",
            get(shared_spaces).post(share),
        )
        .route(
            "/routes/{guid}/relationships/shared_spaces/{space}",
            delete_at(unshare),
        )
        .route("/routes/{guid}/relationships/space", patch(transfer))
        .route("/apps/{guid}/routes", get(list_of_app))
}

impl Resource for Route {
    type Id = RouteId;
    const PATH: &'static str = "/v3/routes";
    const FILTERS: &'static [&'static str] = &[
        "app_guids",
        "space_guids",
        "organization_guids",
        "domain_guids",
        "hosts",
        "paths",
        "ports",
        "service_instance_guids",
    ];
    const INCLUDES: &'static [&'static str] = &["domain", "space", "space.organization"];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.routes(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: RouteId) -> Result<Arc<Self>, ActionError> {
        actions.route(caller, id)
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [apps, spaces, orgs] =
            ["app_guids", "space_guids", "organization_guids"].map(|key| query.filter(key));
        let [domains, hosts, paths] =
            ["domain_guids", "hosts", "paths"].map(|key| query.filter(key));
        let [ports, services] = ["ports", "service_instance_guids"].map(|key| query.filter(key));
        items.retain(|route| {
            let org = view.state.spaces.get(&route.space).map(|space| space.org);
            (spaces.passes_id(route.space)
                || route
                    .shared_with
                    .iter()
                    .any(|space| spaces.passes_id(*space)))
                && domains.passes_id(route.domain)
                && hosts.passes_name(&route.host)
                && paths.passes(&route.path)
                && ports.passes(&route.port.map(|port| port.to_string()).unwrap_or_default())
                && (services.is_open()
                    || view
                        .state
                        .route_bindings_of(route.id)
                        .any(|binding| services.passes_id(binding.service)))
                && orgs.passes_maybe(org)
                && (apps.is_open() || route.destinations.iter().any(|d| apps.passes_id(d.app)))
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        // Its domain goes only together with it, so there always is one.
        let domain = view.state.domains.get(&self.domain);
        domain.map_or(Value::Null, |domain| {
            route::present(self, &domain.name, port_of(&view.state), view.base)
        })
    }

    fn include(query: &Query, view: &View<'_>, items: &[Arc<Self>]) -> Option<Map<String, Value>> {
        query.get("include")?;
        let View { state, base, .. } = view;
        let spaces = || items.iter().map(|route| route.space);
        let mut parts = Vec::new();
        if query.names("include", "domain") {
            let ids = items.iter().map(|route| route.domain);
            parts.push(("domains", include::domains(state, ids, base, view.caller)));
        }
        let wants_orgs = query.names("include", "space.organization");
        if wants_orgs || query.names("include", "space") {
            parts.push(("spaces", include::spaces(state, spaces(), base)));
        }
        if wants_orgs {
            let orgs = spaces().filter_map(|space| Some(state.spaces.get(&space)?.org));
            parts.push(("organizations", include::organizations(state, orgs, base)));
        }
        Some(included(parts))
    }
}

verbs!(
    Route,
    create(route::Create): create_route,
    update(route::Update): update_route,
    delete: delete_route
);

/// The port that an app listens on: that which its image exposes, or the usual one.
fn port_of(state: &store::State) -> impl Fn(AppId) -> u16 {
    |app| {
        let app = state.apps.get(&app);
        let droplet = app.and_then(|app| state.droplets.get(&app.current_droplet?));
        droplet.map_or(APP_PORT, |droplet| droplet.port())
    }
}

async fn list_of_app(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery<Route>,
) -> Listing {
    let query = query.parse()?;
    let routes = api.actions.routes_of_app(&caller, id)?;
    let path = format!("/v3/apps/{id}/routes");
    View::new(&api, &caller, &base).page(&query, routes, &path)
}

async fn destinations(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<RouteId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.route(&caller, id)?;
    let view = View::new(&api, &caller, &base);
    Ok(Json(route::destinations(
        &found,
        port_of(&view.state),
        &base,
    )))
}

async fn add_destinations(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<RouteId>,
    Body(body): Body<route::Destinations>,
) -> Result<Json<Value>, Failure> {
    let new = body.destinations;
    let changed = api.actions.add_destinations(&caller, id, new).await?;
    let view = View::new(&api, &caller, &base);
    Ok(Json(route::destinations(
        &changed,
        port_of(&view.state),
        &base,
    )))
}

async fn replace_destinations(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<RouteId>,
    Body(body): Body<route::Destinations>,
) -> Result<Json<Value>, Failure> {
    let new = body.destinations;
    let changed = api.actions.replace_destinations(&caller, id, new).await?;
    let view = View::new(&api, &caller, &base);
    Ok(Json(route::destinations(
        &changed,
        port_of(&view.state),
        &base,
    )))
}

async fn update_destination(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Ids(id, destination): Ids<RouteId, DestinationId>,
    Body(body): Body<route::DestinationUpdate>,
) -> Result<Json<Value>, Failure> {
    let protocol = body.protocol.as_deref();
    let changed = api
        .actions
        .update_destination(&caller, id, destination, protocol)
        .await?;
    let view = View::new(&api, &caller, &base);
    let port = port_of(&view.state)(changed.app);
    Ok(Json(route::destination(&changed, port)))
}

async fn remove_destination(
    State(api): State<Api>,
    Auth(caller): Auth,
    Ids(id, destination): Ids<RouteId, DestinationId>,
) -> Result<NoContent, Failure> {
    api.actions
        .remove_destination(&caller, id, destination)
        .await?;
    Ok(NoContent)
}

fn spaces_shared(route: &Route, base: &wire::Base) -> Json<Value> {
    let spaces: Vec<_> = route.shared_with.iter().copied().collect();
    let mut document = shared::to_many(&spaces);
    let path = format!("/v3/routes/{}/relationships/shared_spaces", route.id);
    document["links"] = json!({ "self": base.link(&path) });
    Json(document)
}

async fn shared_spaces(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<RouteId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.shared_route(&caller, id)?;
    Ok(spaces_shared(&found, &base))
}

async fn share(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<RouteId>,
    Body(body): Body<ToMany>,
) -> Result<Json<Value>, Failure> {
    let changed = api.actions.share_route(&caller, id, body).await?;
    Ok(spaces_shared(&changed, &base))
}

async fn unshare(
    State(api): State<Api>,
    Auth(caller): Auth,
    Ids(id, space): Ids<RouteId, String>,
) -> Result<NoContent, Failure> {
    api.actions.unshare_route(&caller, id, &space).await?;
    Ok(NoContent)
}

async fn transfer(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<RouteId>,
    Body(body): Body<ToOne>,
) -> Result<Json<Value>, Failure> {
    let to = body.data.map_or_else(String::new, |to| to.guid);
    api.actions.transfer_route(&caller, id, &to).await?;
    Ok(Json(json!({ "status": "ok" })))
}
