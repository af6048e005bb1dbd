//! `/v3/domains`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::Response,
    routing::{delete as delete_at, get, post},
};
use serde_json::{Value, json};

use crate::{
    api::{
        Api, Failure,
        answer::accepted,
        extract::{Auth, Base, Body, Id, Ids, RawQuery},
    },
    model::{Domain, DomainId, OrgId},
    wire::{self, ToMany, arrange, domain, paginate, shared},
};

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/domains", get(list).post(create))
        .route("/domains/{guid}", get(show).patch(update).delete(delete))
        .route("/domains/{guid}/route_reservations", get(reservations))
        .route(
            "/domains/{guid}/relationships/shared_organizations",
            post(share),
        )
        .route(
            "/domains/{guid}/relationships/shared_organizations/{org}",
            delete_at(unshare),
        )
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    list_of(api.actions.domains(&caller), &query, &base, "/v3/domains")
}

/// A list of domains under `path`.
pub(super) fn list_of(
    mut domains: Vec<Arc<Domain>>,
    query: &RawQuery,
    base: &wire::Base,
    path: &str,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&["names", "guids", "organization_guids"])?;
    query.check_include(&[])?;
    let [names, orgs] = ["names", "organization_guids"].map(|key| query.filter(key));
    domains.retain(|domain| names.passes_name(&domain.name) && orgs.passes_maybe(domain.org));
    arrange(&query, &mut domains)?;
    let page = paginate(&query, domains)?;
    Ok(Json(page.json(base, path, &query, None, |item| {
        domain::present(item, base)
    })))
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<DomainId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.domain(&caller, id)?;
    Ok(Json(domain::present(&found, &base)))
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Body(body): Body<domain::Create>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let made = api.actions.create_domain(&caller, body).await?;
    Ok((StatusCode::CREATED, Json(domain::present(&made, &base))))
}

async fn update(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<DomainId>,
    Body(body): Body<domain::Update>,
) -> Result<Json<Value>, Failure> {
    let changed = api.actions.update_domain(&caller, id, body).await?;
    Ok(Json(domain::present(&changed, &base)))
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<DomainId>,
) -> Result<Response, Failure> {
    let job = api.actions.delete_domain(&caller, id).await?;
    Ok(accepted(&base, &job))
}

async fn reservations(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<DomainId>,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&["host", "path", "port"])?;
    let [host, path] = ["host", "path"].map(|key| query.get(key).unwrap_or_default());
    let matching = api.actions.is_route_reserved(&caller, id, host, path)?;
    Ok(Json(json!({ "matching_route": matching })))
}

async fn share(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<DomainId>,
    Body(body): Body<ToMany>,
) -> Result<Json<Value>, Failure> {
    let changed = api.actions.share_domain(&caller, id, body).await?;
    Ok(Json(shared::to_many(&changed.shared_with)))
}

async fn unshare(
    State(api): State<Api>,
    Auth(caller): Auth,
    Ids(id, org): Ids<DomainId, OrgId>,
) -> Result<StatusCode, Failure> {
    api.actions.unshare_domain(&caller, id, org).await?;
    Ok(StatusCode::NO_CONTENT)
}
