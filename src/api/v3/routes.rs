//! `/v3/routes`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::Response,
    routing::{get, patch},
};
use serde_json::{Map, Value, json};

use super::include;
use crate::{
    api::{
        Api, Failure,
        answer::accepted,
        extract::{Auth, Base, Body, Id, Ids, RawQuery},
    },
    model::{AppId, DestinationId, Route, RouteId},
    store,
    wire::{self, Error, Query, ToOne, arrange, included, paginate, route},
};

const INCLUDE: [&str; 3] = ["domain", "space", "space.organization"];

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/routes", get(list).post(create))
        .route("/routes/{guid}", get(show).patch(update).delete(delete))
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
        .route("/routes/{guid}/relationships/space", patch(transfer))
        .route("/apps/{guid}/routes", get(list_of_app))
}

/// The route as JSON; its domain goes only together with it, so there always is one.
fn present(state: &store::State, found: &Route, base: &wire::Base) -> Result<Value, Failure> {
    let domain = state.domains.get(&found.domain);
    let domain = domain.ok_or_else(|| Error::not_found("Route"))?;
    Ok(route::present(found, &domain.name, base))
}

fn include(
    query: &Query,
    state: &store::State,
    routes: &[&Route],
    base: &wire::Base,
) -> Option<Map<String, Value>> {
    query.get("include")?;
    let mut parts = Vec::new();
    if query.names("include", "domain") {
        let ids = routes.iter().map(|route| route.domain);
        parts.push(("domains", include::domains(state, ids, base)));
    }
    let spaces = || routes.iter().map(|route| route.space);
    if query.names("include", "space") || query.names("include", "space.organization") {
        parts.push(("spaces", include::spaces(state, spaces(), base)));
    }
    if query.names("include", "space.organization") {
        let orgs = spaces().filter_map(|space| Some(state.spaces.get(&space)?.org));
        parts.push(("organizations", include::organizations(state, orgs, base)));
    }
    Some(included(parts))
}

fn list_of(
    api: &Api,
    mut routes: Vec<Arc<Route>>,
    query: &RawQuery,
    base: &wire::Base,
    path: &str,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&[
        "guids",
        "app_guids",
        "space_guids",
        "organization_guids",
        "domain_guids",
        "hosts",
        "paths",
        "ports",
        "service_instance_guids",
    ])?;
    query.check_include(&INCLUDE)?;
    let state = api.actions.store.state();
    let [apps, spaces, orgs] =
        ["app_guids", "space_guids", "organization_guids"].map(|key| query.filter(key));
    let [domains, hosts, paths] = ["domain_guids", "hosts", "paths"].map(|key| query.filter(key));
    let [ports, services] = ["ports", "service_instance_guids"].map(|key| query.filter(key));
    routes.retain(|route| {
        state.domains.contains_key(&route.domain)
            && spaces.passes_id(route.space)
            && domains.passes_id(route.domain)
            && hosts.passes_name(&route.host)
            && paths.passes(&route.path)
            // No route has a port or a service.
            && ports.passes("")
            && services.passes("")
            && orgs.passes_maybe(state.spaces.get(&route.space).map(|space| space.org))
            && (apps.is_open() || route.destinations.iter().any(|d| apps.passes_id(d.app)))
    });
    arrange(&query, &mut routes)?;
    let page = paginate(&query, routes)?;
    let on_page: Vec<_> = page.items.iter().map(AsRef::as_ref).collect();
    let included = include(&query, &state, &on_page, base);
    Ok(Json(page.json(base, path, &query, included, |item| {
        let domain = state.domains.get(&item.domain);
        domain.map_or(Value::Null, |domain| {
            route::present(item, &domain.name, base)
        })
    })))
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    list_of(
        &api,
        api.actions.routes(&caller),
        &query,
        &base,
        "/v3/routes",
    )
}

async fn list_of_app(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let routes = api.actions.routes_of_app(&caller, id)?;
    list_of(
        &api,
        routes,
        &query,
        &base,
        &format!("/v3/apps/{id}/routes"),
    )
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<RouteId>,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&[])?;
    query.check_include(&INCLUDE)?;
    let found = api.actions.route(&caller, id)?;
    let state = api.actions.store.state();
    let mut document = present(&state, &found, &base)?;
    if let Some(included) = include(&query, &state, &[&found], &base) {
        document["included"] = Value::Object(included);
    }
    Ok(Json(document))
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Body(body): Body<route::Create>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let made = api.actions.create_route(&caller, body).await?;
    let document = present(&api.actions.store.state(), &made, &base)?;
    Ok((StatusCode::CREATED, Json(document)))
}

async fn update(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<RouteId>,
    Body(body): Body<route::Update>,
) -> Result<Json<Value>, Failure> {
    let changed = api.actions.update_route(&caller, id, body).await?;
    Ok(Json(present(&api.actions.store.state(), &changed, &base)?))
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<RouteId>,
) -> Result<Response, Failure> {
    let job = api.actions.delete_route(&caller, id).await?;
    Ok(accepted(&base, &job))
}

async fn destinations(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<RouteId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.route(&caller, id)?;
    Ok(Json(route::destinations(&found, &base)))
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
    Ok(Json(route::destinations(&changed, &base)))
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
    Ok(Json(route::destinations(&changed, &base)))
}

async fn update_destination(
    State(api): State<Api>,
    Auth(caller): Auth,
    Ids(id, destination): Ids<RouteId, DestinationId>,
    Body(body): Body<route::DestinationUpdate>,
) -> Result<Json<Value>, Failure> {
    let protocol = body.protocol.as_deref();
    let changed = api
        .actions
        .update_destination(&caller, id, destination, protocol)
        .await?;
    Ok(Json(route::destination(&changed)))
}

async fn remove_destination(
    State(api): State<Api>,
    Auth(caller): Auth,
    Ids(id, destination): Ids<RouteId, DestinationId>,
) -> Result<StatusCode, Failure> {
    api.actions
        .remove_destination(&caller, id, destination)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn shared_spaces(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<RouteId>,
) -> Result<Json<Value>, Failure> {
    api.actions.route(&caller, id)?;
    let path = format!("/v3/routes/{id}/relationships/shared_spaces");
    let links = json!({ "self": base.link(&path) });
    Ok(Json(json!({ "data": [], "links": links })))
}

async fn share(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<RouteId>,
) -> Result<Json<Value>, Failure> {
    api.actions.route(&caller, id)?;
    Err(Error::feature_disabled("Feature Disabled: route_sharing").into())
}

async fn transfer(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<RouteId>,
    Body(body): Body<ToOne>,
) -> Result<Json<Value>, Failure> {
    let to = body.id().ok_or_else(|| {
        Error::unprocessable(
            "Invalid space. Ensure that the space exists and you have access to it.",
        )
    })?;
    api.actions.transfer_route(&caller, id, to).await?;
    Ok(Json(json!({ "status": "ok" })))
}
