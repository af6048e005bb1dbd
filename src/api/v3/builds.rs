//! `/v3/builds`.

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::Value;

use super::place;
use crate::{
    api::{
        Api, Failure,
        extract::{Auth, Base, Body, Id, RawQuery},
    },
    model::{AppId, Build, BuildId},
    wire::{self, Query, arrange, build, package, paginate},
};

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/builds", get(list).post(create))
        .route("/builds/{guid}", get(show).patch(update))
        .route("/apps/{guid}/builds", get(list_of_app))
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
        "package_guids",
        "space_guids",
        "organization_guids",
    ])?;
    page(
        &api,
        &base,
        &query,
        api.actions.builds(&caller),
        "/v3/builds",
    )
}

async fn list_of_app(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&["guids", "states"])?;
    api.actions.app(&caller, id)?;
    let state = api.actions.store.state();
    let all = state
        .builds_of(id)
        .filter_map(|found| state.builds.get(&found.id).cloned())
        .collect();
    page(&api, &base, &query, all, &format!("/v3/apps/{id}/builds"))
}

fn page(
    api: &Api,
    base: &wire::Base,
    query: &Query,
    mut all: Vec<Arc<Build>>,
    path: &str,
) -> Result<Json<Value>, Failure> {
    let state = api.actions.store.state();
    let (states, apps) = (query.filter("states"), query.filter("app_guids"));
    let packages = query.filter("package_guids");
    let (spaces, orgs) = (
        query.filter("space_guids"),
        query.filter("organization_guids"),
    );
    all.retain(|found| {
        states.passes(build::state(&found.state))
            && (apps.is_open() || apps.passes_id(found.app))
            && (packages.is_open() || packages.passes_id(found.package))
            && place::passes(&state, found.app, &spaces, &orgs)
    });
    arrange(query, &mut all)?;
    let page = paginate(query, all)?;
    Ok(Json(page.json(base, path, query, None, |found| {
        build::present(found, base)
    })))
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<BuildId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.build(&caller, id)?;
    Ok(Json(build::present(&found, &base)))
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Body(body): Body<build::Create>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let made = api.actions.create_build(&caller, body).await?;
    Ok((StatusCode::CREATED, Json(build::present(&made, &base))))
}

async fn update(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<BuildId>,
    Body(body): Body<package::Update>,
) -> Result<Json<Value>, Failure> {
    let changed = api.actions.update_build(&caller, id, body).await?;
    Ok(Json(build::present(&changed, &base)))
}
