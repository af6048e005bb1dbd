//! `/v3/packages` and the matching of files that are already kept.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use serde_json::Value;

use super::{place, upload};
use crate::{
    api::{
        Api, Failure,
        answer::accepted,
        extract::{Auth, Base, Body, Id, RawQuery},
    },
    blobs,
    model::{AppId, Droplet, Package, PackageId},
    wire::{
        self, Query, arrange, droplet,
        package::{self, Resource, Resources},
        paginate,
    },
};

/// Most files that are matched in one request; clients ask for 5,000 at a time.
const MOST_RESOURCES: usize = 10_000;

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/packages", get(list).post(create))
        .route("/packages/{guid}", get(show).patch(update).delete(delete))
        .route("/packages/{guid}/droplets", get(droplets))
        .route("/packages/{guid}/upload", post(upload::upload))
        .route("/packages/{guid}/download", get(super::download::package))
        .route("/apps/{guid}/packages", get(list_of_app))
        .route("/resource_matches", post(matches))
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
        "types",
        "app_guids",
        "space_guids",
        "organization_guids",
    ])?;
    let all = api.actions.packages(&caller);
    page(&api, &base, &query, all, "/v3/packages")
}

async fn list_of_app(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&["guids", "states", "types"])?;
    api.actions.app(&caller, id)?;
    let state = api.actions.store.state();
    let all = state.packages_of(id);
    let all = all
        .filter_map(|package| state.packages.get(&package.id).cloned())
        .collect();
    let path = format!("/v3/apps/{id}/packages");
    page(&api, &base, &query, all, &path)
}

fn page(
    api: &Api,
    base: &wire::Base,
    query: &Query,
    mut all: Vec<Arc<Package>>,
    path: &str,
) -> Result<Json<Value>, Failure> {
    let state = api.actions.store.state();
    let (states, types) = (query.filter("states"), query.filter("types"));
    let apps = query.filter("app_guids");
    let (spaces, orgs) = (
        query.filter("space_guids"),
        query.filter("organization_guids"),
    );
    all.retain(|found| {
        states.passes(package::state(&found.state))
            && types.passes("bits")
            && (apps.is_open() || apps.passes_id(found.app))
            && place::passes(&state, found.app, &spaces, &orgs)
    });
    arrange(query, &mut all)?;
    let page = paginate(query, all)?;
    Ok(Json(page.json(base, path, query, None, |found| {
        package::present(found, base)
    })))
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<PackageId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.package(&caller, id)?;
    Ok(Json(package::present(&found, &base)))
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery,
    Body(body): Body<package::Create>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let query = query.parse(&["source_guid"])?;
    let made = match query.get("source_guid") {
        Some(source) => api.actions.copy_package(&caller, source, body).await?,
        None => api.actions.create_package(&caller, body).await?,
    };
    Ok((StatusCode::CREATED, Json(package::present(&made, &base))))
}

async fn update(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<PackageId>,
    Body(body): Body<package::Update>,
) -> Result<Json<Value>, Failure> {
    let changed = api.actions.update_package(&caller, id, body).await?;
    Ok(Json(package::present(&changed, &base)))
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<PackageId>,
) -> Result<Response, Failure> {
    let job = api.actions.delete_package(&caller, id).await?;
    Ok(accepted(&base, &job))
}

async fn droplets(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<PackageId>,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&["guids", "states"])?;
    let package = api.actions.package(&caller, id)?;
    let state = api.actions.store.state();
    let states = query.filter("states");
    let mut all: Vec<Arc<Droplet>> = state
        .droplets_of(package.app)
        .filter(|found| found.package == Some(id) && states.passes(droplet::state(&found.state)))
        .filter_map(|found| state.droplets.get(&found.id).cloned())
        .collect();
    arrange(&query, &mut all)?;
    let page = paginate(&query, all)?;
    let path = format!("/v3/packages/{id}/droplets");
    Ok(Json(page.json(&base, &path, &query, None, |found| {
        droplet::present(found, &base)
    })))
}

async fn matches(
    State(api): State<Api>,
    Auth(_): Auth,
    Body(body): Body<Resources>,
) -> Result<(StatusCode, Json<Resources>), Failure> {
    if body.resources.len() > MOST_RESOURCES {
        return Err(wire::Error::unprocessable(format!(
            "Resources must be at most {MOST_RESOURCES} in one request"
        ))
        .into());
    }
    let asked: Vec<blobs::Resource> = body.resources.iter().map(kept).collect();
    let blobs = api.actions.blobs.clone();
    let found = tokio::task::spawn_blocking(move || blobs.matching(&asked))
        .await
        .map_err(|_| wire::Error::unknown("An unknown error occurred."))?;
    let resources = found
        .into_iter()
        .map(|found| Resource {
            path: found.path,
            mode: format!("{:o}", found.mode),
            checksum: package::Checksum { value: found.sha1 },
            size_in_bytes: found.size,
        })
        .collect();
    Ok((StatusCode::CREATED, Json(Resources { resources })))
}

/// A file as the blob store knows it.
pub(super) fn kept(resource: &Resource) -> blobs::Resource {
    blobs::Resource {
        path: resource.path.clone(),
        sha1: resource.checksum.value.clone(),
        size: resource.size_in_bytes,
        mode: resource.permissions(),
    }
}
