//! `/v3/organizations`.

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::Value;

use crate::{
    api::{
        Api, Failure,
        extract::{Auth, Base, Body, Id, RawQuery},
    },
    model::{Org, OrgId},
    wire::{Query, organization, paginate},
};

/// The guid of the one organization quota.
const QUOTA: &str = "00000000-0000-0000-0000-000000000001";

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/organizations", get(list).post(create))
        .route("/organizations/{guid}", get(show).patch(update))
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&["names", "guids"])?;
    let mut orgs = api.actions.organizations(&caller);
    orgs.retain(|org| {
        query.selects("names", &org.name) && query.selects("guids", &org.id.to_string())
    });
    order(&query, &mut orgs);
    let page = paginate(&query, orgs)?;
    let document = page.json(&base, "/v3/organizations", &query, None, |org| {
        organization::present(org, QUOTA, &base)
    });
    Ok(Json(document))
}

fn order(query: &Query, orgs: &mut [Arc<Org>]) {
    match query.get("order_by") {
        Some("name") => orgs.sort_by(|a, b| a.name.cmp(&b.name)),
        Some("-name") => orgs.sort_by(|a, b| b.name.cmp(&a.name)),
        Some("-created_at") => orgs.reverse(),
        _ => {}
    }
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<OrgId>,
) -> Result<Json<Value>, Failure> {
    let org = api.actions.organization(&caller, id)?;
    Ok(Json(organization::present(&org, QUOTA, &base)))
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Body(body): Body<organization::Create>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let org = api.actions.create_organization(&caller, body).await?;
    Ok((
        StatusCode::CREATED,
        Json(organization::present(&org, QUOTA, &base)),
    ))
}

async fn update(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<OrgId>,
    Body(body): Body<organization::Update>,
) -> Result<Json<Value>, Failure> {
    let org = api.actions.update_organization(&caller, id, body).await?;
    Ok(Json(organization::present(&org, QUOTA, &base)))
}
