//! `/v3/organizations`.

use axum::{Json, Router, extract::State, http::StatusCode, response::Response, routing::get};
use serde_json::{Value, json};

use super::domains::list_of;
use crate::{
    api::{
        Api, Failure,
        answer::accepted,
        extract::{Auth, Base, Body, Id, RawQuery},
    },
    model::OrgId,
    wire::{Error, ToOne, arrange, domain, organization, paginate, platform::QUOTA},
};

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/organizations", get(list).post(create))
        .route(
            "/organizations/{guid}",
            get(show).patch(update).delete(delete),
        )
        .route("/organizations/{guid}/domains", get(domains))
        .route("/organizations/{guid}/domains/default", get(default_domain))
        .route("/organizations/{guid}/usage_summary", get(usage))
        .route("/organizations/{guid}/users", get(users))
        .route(
            "/organizations/{guid}/relationships/default_isolation_segment",
            get(isolation_segment).patch(set_isolation_segment),
        )
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&["names", "guids"])?;
    query.check_include(&[])?;
    let names = query.filter("names");
    let mut orgs = api.actions.organizations(&caller);
    orgs.retain(|org| names.passes_name(&org.name));
    arrange(&query, &mut orgs)?;
    let page = paginate(&query, orgs)?;
    let document = page.json(&base, "/v3/organizations", &query, None, |org| {
        organization::present(org, QUOTA, &base)
    });
    Ok(Json(document))
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
    let document = organization::present(&org, QUOTA, &base);
    Ok((StatusCode::CREATED, Json(document)))
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

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<OrgId>,
) -> Result<Response, Failure> {
    let job = api.actions.delete_organization(&caller, id).await?;
    Ok(accepted(&base, &job))
}

async fn domains(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<OrgId>,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let path = format!("/v3/organizations/{id}/domains");
    list_of(api.actions.domains_of(&caller, id)?, &query, &base, &path)
}

async fn default_domain(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<OrgId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.default_domain(&caller, id)?;
    Ok(Json(domain::present(&found, &base)))
}

async fn users(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<OrgId>,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    api.actions.organization(&caller, id)?;
    let path = format!("/v3/organizations/{id}/users");
    super::users::list_in(
        &api,
        &caller,
        &query,
        &base,
        &path,
        |state, space| {
            state
                .spaces
                .get(&space)
                .is_some_and(|space| space.org == id)
        },
        Some(id),
    )
}

async fn usage(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<OrgId>,
) -> Result<Json<Value>, Failure> {
    let used = api.actions.organization_usage(&caller, id)?;
    let link = base.link(&format!("/v3/organizations/{id}/usage_summary"));
    Ok(Json(organization::usage(
        used.started_instances,
        used.memory_in_mb,
        used.routes,
        used.domains,
        &link,
    )))
}

fn no_segment(base: &crate::wire::Base, id: OrgId) -> Json<Value> {
    let path = format!("/v3/organizations/{id}/relationships/default_isolation_segment");
    Json(json!({ "data": null, "links": { "self": base.link(&path) } }))
}

async fn isolation_segment(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<OrgId>,
) -> Result<Json<Value>, Failure> {
    api.actions.organization(&caller, id)?;
    Ok(no_segment(&base, id))
}

/// There is one segment, which is every organization's; taking a default away changes nothing.
async fn set_isolation_segment(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<OrgId>,
    Body(body): Body<ToOne>,
) -> Result<Json<Value>, Failure> {
    api.actions.organization(&caller, id)?;
    caller.need_admin()?;
    if body.data.is_some() {
        return Err(Error::unprocessable(
            "This platform has the one isolation segment 'shared', which needs no assigning.",
        )
        .into());
    }
    Ok(no_segment(&base, id))
}
