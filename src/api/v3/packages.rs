//! `/v3/packages` and the matching of files that are already kept.

use std::sync::Arc;

use axum::extract::State;
use serde_json::Value;

use super::{
    place,
    resource::{Listing, Resource, View, delete, list, show, update, verbs},
    upload,
};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::Created,
        extract::{Auth, Base, Body, Id, RawQuery, parameters},
        openapi::{Router, get, post},
    },
    blobs,
    model::{AppId, Package, PackageId},
    wire::{
        self, Query,
        package::{self, Resources},
    },
};

/// Most files that are matched in one request; clients ask for 5,000 at a time.
const MOST_RESOURCES: usize = 10_000;

pub(super) fn router() -> Router {
    let one = get(show::<Package>).patch(update::<Package>);
    Router::new()
        .route("/packages", get(list::<Package>).post(create))
        .route("/packages/{guid}", one.delete(delete::<Package>))
        .route("/packages/{guid}/droplets", get(droplets))
        .route("/packages/{guid}/upload", post(upload::upload))
        .route("/packages/{guid}/download", get(super::download::package))
        .route("/apps/{guid}/packages", get(list_of_app))
        .route("/resource_matches", post(matches))
}

parameters! {
    /// What the list of an app's takes.
    OfApp(true): "states", "types";

    /// What is copied.
    Source(false): "source_guid";

    /// What the list of a package's droplets takes.
    Droplets(true): "states";
}

impl Resource for Package {
    type Id = PackageId;
    const PATH: &'static str = "/v3/packages";
    const FILTERS: &'static [&'static str] = &[
        "states",
        "types",
        "app_guids",
        "space_guids",
        "organization_guids",
    ];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.packages(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: PackageId) -> Result<Arc<Self>, ActionError> {
        actions.package(caller, id)
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [states, types, apps] = ["states", "types", "app_guids"].map(|key| query.filter(key));
        let [spaces, orgs] = ["space_guids", "organization_guids"].map(|key| query.filter(key));
        items.retain(|found| {
            states.passes(package::state(&found.state))
                && types.passes(package::kind(found))
                && (apps.is_open() || apps.passes_id(found.app))
                && place::passes(&view.state, found.app, &spaces, &orgs)
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        package::present(self, view.base)
    }
}

verbs!(Package, update(package::Update): update_package, delete: delete_package);

async fn list_of_app(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery<OfApp>,
) -> Listing {
    let query = query.parse()?;
    api.actions.app(&caller, id)?;
    let view = View::new(&api, &caller, &base);
    let all = view.state.packages_of(id);
    let all = all.filter_map(|package| view.state.packages.get(&package.id).cloned());
    view.page(&query, all.collect(), &format!("/v3/apps/{id}/packages"))
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery<Source>,
    Body(body): Body<package::Create>,
) -> Result<Created, Failure> {
    let query = query.parse()?;
    let made = match query.get("source_guid") {
        Some(source) => api.actions.copy_package(&caller, source, body).await?,
        None => api.actions.create_package(&caller, body).await?,
    };
    Ok(Created(package::present(&made, &base)))
}

async fn droplets(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<PackageId>,
    query: RawQuery<Droplets>,
) -> Listing {
    let query = query.parse()?;
    let package = api.actions.package(&caller, id)?;
    let view = View::new(&api, &caller, &base);
    let all = view.state.droplets_of(package.app);
    let all = all
        .filter(|found| found.package == Some(id))
        .filter_map(|found| view.state.droplets.get(&found.id).cloned());
    view.page(
        &query,
        all.collect(),
        &format!("/v3/packages/{id}/droplets"),
    )
}

async fn matches(
    State(api): State<Api>,
    Auth(caller): Auth,
    Body(body): Body<Resources>,
) -> Result<Created<Resources>, Failure> {
    if body.resources.len() > MOST_RESOURCES {
        return Err(wire::Error::unprocessable(format!(
            "Resources must be at most {MOST_RESOURCES} in one request"
        ))
        .into());
    }
    if !api.actions.matches_resources(&caller)? {
        let resources = Vec::new();
        return Ok(Created(Resources { resources }));
    }
    let asked: Vec<blobs::Resource> = body.resources.iter().map(kept).collect();
    let blobs = api.actions.blobs.clone();
    let found = tokio::task::spawn_blocking(move || blobs.matching(&asked))
        .await
        .map_err(|_| wire::Error::unknown("An unknown error occurred."))?;
    let resources = found
        .into_iter()
        .map(|found| package::Resource {
            path: found.path,
            mode: format!("{:o}", found.mode),
            checksum: package::Checksum { value: found.sha1 },
            size_in_bytes: found.size,
        })
        .collect();
    Ok(Created(Resources { resources }))
}

/// A file as the blob store knows it.
pub(super) fn kept(resource: &package::Resource) -> blobs::Resource {
    blobs::Resource {
        path: resource.path.clone(),
        sha1: resource.checksum.value.clone(),
        size: resource.size_in_bytes,
        mode: resource.permissions(),
    }
}
