//! `/v3/droplets`.

use std::sync::Arc;

use axum::{Json, Router, extract::State, response::Response, routing::get};
use serde_json::Value;

use super::place;
use crate::{
    api::{
        Api, Failure,
        answer::accepted,
        extract::{Auth, Base, Body, Id, RawQuery},
    },
    model::{AppId, Droplet, DropletId},
    wire::{self, Query, arrange, droplet, package, paginate},
};

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/droplets", get(list))
        .route("/droplets/{guid}", get(show).patch(update).delete(delete))
        .route("/droplets/{guid}/download", get(super::download::droplet))
        .route("/apps/{guid}/droplets", get(list_of_app))
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&[
        "guids",
        "states",
        "app_guids",
        "space_guids",
        "organization_guids",
    ])?;
    let all = api.actions.droplets(&caller);
    page(&api, &base, &query, all, "/v3/droplets")
}

async fn list_of_app(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&["guids", "states", "current"])?;
    let app = api.actions.app(&caller, id)?;
    let state = api.actions.store.state();
    let all = state
        .droplets_of(id)
        .filter(|found| !query.flag("current") || app.current_droplet == Some(found.id))
        .filter_map(|found| state.droplets.get(&found.id).cloned())
        .collect();
    page(&api, &base, &query, all, &format!("/v3/apps/{id}/droplets"))
}

fn page(
    api: &Api,
    base: &wire::Base,
    query: &Query,
    mut all: Vec<Arc<Droplet>>,
    path: &str,
) -> Result<Json<Value>, Failure> {
    let state = api.actions.store.state();
    let (states, apps) = (query.filter("states"), query.filter("app_guids"));
    let (spaces, orgs) = (
        query.filter("space_guids"),
        query.filter("organization_guids"),
    );
    all.retain(|found| {
        states.passes(droplet::state(&found.state))
            && (apps.is_open() || apps.passes_id(found.app))
            && place::passes(&state, found.app, &spaces, &orgs)
    });
    arrange(query, &mut all)?;
    let page = paginate(query, all)?;
    Ok(Json(page.json(base, path, query, None, |found| {
        droplet::present(found, base)
    })))
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<DropletId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.droplet(&caller, id)?;
    Ok(Json(droplet::present(&found, &base)))
}

async fn update(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<DropletId>,
    Body(body): Body<package::Update>,
) -> Result<Json<Value>, Failure> {
    let changed = api.actions.update_droplet(&caller, id, body).await?;
    Ok(Json(droplet::present(&changed, &base)))
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<DropletId>,
) -> Result<Response, Failure> {
    let job = api.actions.delete_droplet(&caller, id).await?;
    Ok(accepted(&base, &job))
}
