//! `/v3/buildpacks`: the runtimes, for reading.

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use serde_json::Value;

use crate::{
    api::{
        Api, Failure,
        extract::{Auth, Base, RawQuery},
    },
    wire::{self, buildpack, paginate, platform::STACK_NAME},
};

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/buildpacks", get(list))
        .route("/buildpacks/{guid}", get(show))
}

/// The runtimes with their positions, from 1.
fn all(api: &Api) -> Vec<(usize, String)> {
    let catalog = api.actions.catalog();
    let names = catalog.buildpacks().map(str::to_owned);
    names.enumerate().map(|(at, name)| (at + 1, name)).collect()
}

async fn list(
    State(api): State<Api>,
    Auth(_): Auth,
    Base(base): Base,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&["names", "stacks", "lifecycle"])?;
    let mut found = all(&api);
    found.retain(|(_, name)| {
        query.selects("names", name)
            && query.selects("stacks", STACK_NAME)
            && query.selects("lifecycle", "buildpack")
    });
    let page = paginate(&query, found)?;
    let document = page.json(&base, "/v3/buildpacks", &query, None, |(at, name)| {
        buildpack::present(name, *at, &base)
    });
    Ok(Json(document))
}

async fn show(
    State(api): State<Api>,
    Auth(_): Auth,
    Base(base): Base,
    Path(guid): Path<String>,
) -> Result<Json<Value>, Failure> {
    let (at, name) = all(&api)
        .into_iter()
        .find(|(at, _)| buildpack::guid(*at).to_string() == guid)
        .ok_or_else(|| wire::Error::not_found("Buildpack"))?;
    Ok(Json(buildpack::present(&name, at, &base)))
}
