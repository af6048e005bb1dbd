//! `/v3/spaces`.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::Response,
    routing::{delete as delete_at, get},
};
use serde_json::{Map, Value, json};

use super::include;
use crate::{
    api::{
        Api, Failure,
        answer::accepted,
        extract::{Auth, Base, Body, Id, RawQuery},
    },
    model::{Space, SpaceId},
    store,
    wire::{self, Error, Query, ToOne, arrange, included, paginate, space},
};

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/spaces", get(list).post(create))
        .route("/spaces/{guid}", get(show).patch(update).delete(delete))
        .route("/spaces/{guid}/features", get(features))
        .route("/spaces/{guid}/features/ssh", get(ssh).patch(set_ssh))
        .route("/spaces/{guid}/users", get(users))
        .route("/spaces/{guid}/routes", delete_at(delete_unmapped))
        .route("/spaces/{guid}/running_security_groups", get(no_groups))
        .route("/spaces/{guid}/staging_security_groups", get(no_groups))
        .route(
            "/spaces/{guid}/relationships/isolation_segment",
            get(isolation_segment).patch(set_isolation_segment),
        )
        .route("/spaces/{guid}/relationships/quota", get(no_quota))
}

fn include<'a>(
    query: &Query,
    state: &store::State,
    spaces: impl IntoIterator<Item = &'a Space>,
    base: &wire::Base,
) -> Option<Map<String, Value>> {
    let wanted = query.names("include", "organization") || query.names("include", "org");
    wanted.then(|| {
        let orgs = spaces.into_iter().map(|space| space.org);
        included([("organizations", include::organizations(state, orgs, base))])
    })
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&["names", "guids", "organization_guids"])?;
    query.check_include(&["organization", "org"])?;
    let [names, orgs] = ["names", "organization_guids"].map(|key| query.filter(key));
    let mut spaces = api.actions.spaces(&caller);
    spaces.retain(|space| names.passes_name(&space.name) && orgs.passes_id(space.org));
    arrange(&query, &mut spaces)?;
    let page = paginate(&query, spaces)?;
    let state = api.actions.store.state();
    let included = include(&query, &state, page.items.iter().map(AsRef::as_ref), &base);
    let document = page.json(&base, "/v3/spaces", &query, included, |item| {
        space::present(item, &base)
    });
    Ok(Json(document))
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceId>,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&[])?;
    query.check_include(&["organization", "org"])?;
    let found = api.actions.space(&caller, id)?;
    let mut document = space::present(&found, &base);
    if let Some(included) = include(&query, &api.actions.store.state(), [&*found], &base) {
        document["included"] = Value::Object(included);
    }
    Ok(Json(document))
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Body(body): Body<space::Create>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let made = api.actions.create_space(&caller, body).await?;
    Ok((StatusCode::CREATED, Json(space::present(&made, &base))))
}

async fn update(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceId>,
    Body(body): Body<space::Update>,
) -> Result<Json<Value>, Failure> {
    let changed = api.actions.update_space(&caller, id, body).await?;
    Ok(Json(space::present(&changed, &base)))
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceId>,
) -> Result<Response, Failure> {
    let job = api.actions.delete_space(&caller, id).await?;
    Ok(accepted(&base, &job))
}

async fn delete_unmapped(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceId>,
    query: RawQuery,
) -> Result<Response, Failure> {
    if !query.parse(&["unmapped"])?.flag("unmapped") {
        return Err(Error::unprocessable(
            "Mass delete not supported for routes. Use 'unmapped=true' parameter to delete all \
             unmapped routes.",
        )
        .into());
    }
    let job = api.actions.delete_unmapped_routes(&caller, id).await?;
    Ok(accepted(&base, &job))
}

async fn features(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<SpaceId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.space(&caller, id)?;
    Ok(Json(json!({ "resources": [space::ssh(&found)] })))
}

async fn ssh(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<SpaceId>,
) -> Result<Json<Value>, Failure> {
    Ok(Json(space::ssh(&*api.actions.space(&caller, id)?)))
}

async fn set_ssh(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<SpaceId>,
    Body(body): Body<space::Feature>,
) -> Result<Json<Value>, Failure> {
    let changed = api
        .actions
        .allow_space_ssh(&caller, id, body.enabled)
        .await?;
    Ok(Json(space::ssh(&changed)))
}

async fn users(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceId>,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    api.actions.space(&caller, id)?;
    let path = format!("/v3/spaces/{id}/users");
    let here = |_: &store::State, space| space == id;
    super::users::list_in(&api, &caller, &query, &base, &path, here, None)
}

async fn no_groups(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceId>,
    query: RawQuery,
    uri: axum::extract::OriginalUri,
) -> Result<Json<Value>, Failure> {
    api.actions.space(&caller, id)?;
    let query = query.parse(&["guids", "names"])?;
    super::platform::page(Vec::new(), &query, &base, uri.path())
}

fn no_segment(base: &wire::Base, id: SpaceId) -> Json<Value> {
    let path = format!("/v3/spaces/{id}/relationships/isolation_segment");
    Json(json!({ "data": null, "links": { "self": base.link(&path) } }))
}

async fn isolation_segment(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceId>,
) -> Result<Json<Value>, Failure> {
    api.actions.space(&caller, id)?;
    Ok(no_segment(&base, id))
}

/// There is one segment, in which every space is; taking one away changes nothing.
async fn set_isolation_segment(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceId>,
    Body(body): Body<ToOne>,
) -> Result<Json<Value>, Failure> {
    api.actions.space(&caller, id)?;
    caller.need_admin()?;
    if body.data.is_some() {
        return Err(Error::unprocessable(
            "This platform has the one isolation segment 'shared', which needs no assigning.",
        )
        .into());
    }
    Ok(no_segment(&base, id))
}

async fn no_quota(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<SpaceId>,
) -> Result<Json<Value>, Failure> {
    api.actions.space(&caller, id)?;
    Ok(Json(json!({ "data": null })))
}
