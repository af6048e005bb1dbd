//! `/v3/apps`: apps themselves and their actions.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use serde_json::{Map, Value};

use crate::{
    api::{
        Api, Failure,
        answer::accepted,
        extract::{Auth, Base, Body, Id, RawQuery},
    },
    model::{App, AppId},
    store,
    wire::{self, Query, app, arrange, included, organization, paginate, platform::QUOTA, space},
};

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/apps", get(list).post(create))
        .route("/apps/{guid}", get(show).patch(update).delete(delete))
        .route("/apps/{guid}/actions/start", post(start))
        .route("/apps/{guid}/actions/stop", post(stop))
        .route("/apps/{guid}/actions/restart", post(restart))
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&[
        "names",
        "guids",
        "space_guids",
        "organization_guids",
        "stacks",
        "lifecycle_type",
    ])?;
    query.check_include(&INCLUDES)?;
    let state = api.actions.store.state();
    let mut apps = api.actions.apps(&caller);
    let (names, spaces) = (query.filter("names"), query.filter("space_guids"));
    let (orgs, stacks) = (query.filter("organization_guids"), query.filter("stacks"));
    let kinds = query.filter("lifecycle_type");
    apps.retain(|app| {
        let org = state.spaces.get(&app.space).map(|space| space.org);
        let stack = app.lifecycle.stack.as_deref();
        names.passes_name(&app.name)
            && (spaces.is_open() || spaces.passes_id(app.space))
            && (orgs.is_open() || org.is_some_and(|org| orgs.passes_id(org)))
            && stacks.passes(stack.unwrap_or(wire::platform::STACK_NAME))
            && kinds.passes("buildpack")
    });
    arrange(&query, &mut apps)?;
    let page = paginate(&query, apps)?;
    let extra = include(&query, &state, &page.items, &base);
    let document = page.json(&base, "/v3/apps", &query, extra, |app| {
        app::present(app, &base)
    });
    Ok(Json(document))
}

/// What `include` may ask for.
const INCLUDES: [&str; 4] = ["space", "space.organization", "org", "organization"];

/// The spaces and organizations of `apps`, as far as they are asked for.
fn include(
    query: &Query,
    state: &store::State,
    apps: &[Arc<App>],
    base: &wire::Base,
) -> Option<Map<String, Value>> {
    query.get("include")?;
    let ids: BTreeSet<_> = apps.iter().map(|app| app.space).collect();
    let spaces = || ids.iter().filter_map(|space| state.spaces.get(space));
    let orgs: BTreeSet<_> = spaces().map(|space| space.org).collect();
    let mut parts = Vec::new();
    // Both words ask for the organization by way of the space.
    let wants_orgs = ["space.organization", "org", "organization"]
        .iter()
        .any(|name| query.names("include", name));
    if wants_orgs || query.names("include", "space") {
        let spaces = spaces().map(|space| space::present(space, base));
        parts.push(("spaces", spaces.collect()));
    }
    if wants_orgs {
        let orgs = orgs.iter().filter_map(|org| state.orgs.get(org));
        let orgs = orgs.map(|org| organization::present(org, QUOTA, base));
        parts.push(("organizations", orgs.collect()));
    }
    Some(included(parts))
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&[])?;
    query.check_include(&INCLUDES)?;
    let state = api.actions.store.state();
    let app = api.actions.app(&caller, id)?;
    let mut document = app::present(&app, &base);
    if let Some(extra) = include(&query, &state, &[app], &base) {
        document["included"] = Value::Object(extra);
    }
    Ok(Json(document))
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Body(body): Body<app::Create>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let app = api.actions.create_app(&caller, body).await?;
    Ok((StatusCode::CREATED, Json(app::present(&app, &base))))
}

async fn update(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    Body(body): Body<app::Update>,
) -> Result<Json<Value>, Failure> {
    let app = api.actions.update_app(&caller, id, body).await?;
    Ok(Json(app::present(&app, &base)))
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
) -> Result<Response, Failure> {
    let job = api.actions.delete_app(&caller, id).await?;
    Ok(accepted(&base, &job))
}

async fn start(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
) -> Result<Json<Value>, Failure> {
    let app = api.actions.start_app(&caller, id).await?;
    Ok(Json(app::present(&app, &base)))
}

async fn stop(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
) -> Result<Json<Value>, Failure> {
    let app = api.actions.stop_app(&caller, id).await?;
    Ok(Json(app::present(&app, &base)))
}

async fn restart(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
) -> Result<Json<Value>, Failure> {
    let app = api.actions.restart_app(&caller, id).await?;
    Ok(Json(app::present(&app, &base)))
}
