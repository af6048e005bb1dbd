//! `/v3/spaces`.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Map, Value, json};

use super::{
    include,
    resource::{Listing, Resource, View, create, delete, list, show, update, verbs},
};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::{Accepted, accepted},
        extract::{Auth, Base, Body, Id, RawQuery, parameters},
        openapi::{Router, delete as delete_at, get},
    },
    model::{Space, SpaceId},
    store,
    wire::{self, Error, Order, Query, by_name, included, space},
};

pub(super) fn router() -> Router {
    let one = get(show::<Space>).patch(update::<Space>);
    Router::new()
        .route("/spaces", get(list::<Space>).post(create::<Space>))
        .route("/spaces/{guid}", one.delete(delete::<Space>))
        .route("/spaces/{guid}/features", get(features))
        .route("/spaces/{guid}/features/ssh", get(ssh).patch(set_ssh))
        .route("/spaces/{guid}/users", get(users))
        .route("/spaces/{guid}/routes", delete_at(delete_unmapped))
        .route("/spaces/{guid}/relationships/quota", get(quota))
        .route("/spaces/{guid}/usage_summary", get(usage))
}

parameters! {
    /// What a deletion of routes takes.
    Unmapped(false): "unmapped";
}

impl Resource for Space {
    type Id = SpaceId;
    const PATH: &'static str = "/v3/spaces";
    const FILTERS: &'static [&'static str] = &["names", "organization_guids"];
    const INCLUDES: &'static [&'static str] = &["organization", "org"];
    const ORDERS: &'static [Order<Self>] = &[by_name()];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.spaces(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: SpaceId) -> Result<Arc<Self>, ActionError> {
        actions.space(caller, id)
    }

    fn narrow(query: &Query, _: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [names, orgs] = ["names", "organization_guids"].map(|key| query.filter(key));
        items.retain(|space| names.passes_name(&space.name) && orgs.passes_id(space.org));
    }

    fn present(&self, view: &View<'_>) -> Value {
        space::present(self, view.base)
    }

    fn include(query: &Query, view: &View<'_>, items: &[Arc<Self>]) -> Option<Map<String, Value>> {
        let wanted = query.names("include", "organization") || query.names("include", "org");
        wanted.then(|| {
            let orgs = items.iter().map(|space| space.org);
            let orgs = include::organizations(&view.state, orgs, view.base);
            included([("organizations", orgs)])
        })
    }
}

verbs!(
    Space,
    create(space::Create): create_space,
    update(space::Update): update_space,
    delete: delete_space
);

async fn delete_unmapped(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceId>,
    query: RawQuery<Unmapped>,
) -> Result<Accepted, Failure> {
    if !query.parse()?.flag("unmapped") {
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
    query: RawQuery<super::users::Users>,
) -> Listing {
    api.actions.space(&caller, id)?;
    let path = format!("/v3/spaces/{id}/users");
    let here = |_: &store::State, space| space == id;
    super::users::list_in(&api, &caller, &query, &base, &path, here, None)
}

async fn quota(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.space(&caller, id)?;
    Ok(Json(wire::quota::of_space(&found, &base)))
}

async fn usage(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceId>,
) -> Result<Json<Value>, Failure> {
    let used = api.actions.space_usage(&caller, id)?;
    let owner = format!("/v3/spaces/{id}");
    Ok(Json(wire::quota::usage(&used, ("space", &owner), &base)))
}
