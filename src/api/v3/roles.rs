//! `/v3/roles`.

use axum::{Json, extract::State};
use serde_json::{Map, Value};

use super::{include, resource::Listing};
use crate::{
    api::{
        Api, Failure,
        answer::{Accepted, Created, accepted},
        extract::{Auth, Base, Body, Id, RawQuery, parameters},
        openapi::{Router, get},
    },
    model::{OrgId, Role, RoleId, RoleScope, SpaceId},
    store,
    wire::{self, Query, arrange, included, paginate, role},
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/roles", get(list).post(create))
        .route("/roles/{guid}", get(show).delete(delete))
}

parameters! {
    /// What the list takes.
    All(true, labels: false): "organization_guids", "space_guids", "user_guids", "types"
        => "user", "organization", "space";

    /// What one takes.
    One(false): => "user", "organization", "space";
}

const fn org_of(role: &Role) -> Option<OrgId> {
    match role.scope {
        RoleScope::Org(org) => Some(org),
        RoleScope::Space(_) => None,
    }
}

const fn space_of(role: &Role) -> Option<SpaceId> {
    match role.scope {
        RoleScope::Org(_) => None,
        RoleScope::Space(space) => Some(space),
    }
}

fn include(
    query: &Query,
    state: &store::State,
    roles: &[&Role],
    base: &wire::Base,
) -> Option<Map<String, Value>> {
    query.get("include")?;
    let mut parts = Vec::new();
    if query.names("include", "user") {
        let ids = roles.iter().map(|role| role.user);
        parts.push(("users", include::users(state, ids, base)));
    }
    if query.names("include", "organization") {
        let ids = roles.iter().filter_map(|role| org_of(role));
        parts.push(("organizations", include::organizations(state, ids, base)));
    }
    if query.names("include", "space") {
        let ids = roles.iter().filter_map(|role| space_of(role));
        parts.push(("spaces", include::spaces(state, ids, base)));
    }
    Some(included(parts))
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery<All>,
) -> Listing {
    let query = query.parse()?;
    let [orgs, spaces] = ["organization_guids", "space_guids"].map(|key| query.filter(key));
    let [users, types] = ["user_guids", "types"].map(|key| query.filter(key));
    let mut roles = api.actions.roles(&caller);
    roles.retain(|role| {
        users.passes_id(role.user)
            && types.passes(role.kind.as_str())
            && orgs.passes_maybe(org_of(role))
            && spaces.passes_maybe(space_of(role))
    });
    arrange(&query, &mut roles, &[])?;
    let page = paginate(&query, roles)?;
    let on_page: Vec<_> = page.items.iter().map(AsRef::as_ref).collect();
    let included = include(&query, &api.actions.store.state(), &on_page, &base);
    Ok(Json(page.list(
        &base,
        "/v3/roles",
        &query,
        included,
        |item| role::present(item, &base),
    )))
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<RoleId>,
    query: RawQuery<One>,
) -> Result<Json<Value>, Failure> {
    let query = query.parse()?;
    let found = api.actions.role(&caller, id)?;
    let mut document = role::present(&found, &base);
    if let Some(included) = include(&query, &api.actions.store.state(), &[&found], &base) {
        document["included"] = Value::Object(included);
    }
    Ok(Json(document))
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Body(body): Body<role::Create>,
) -> Result<Created, Failure> {
    let made = api.actions.create_role(&caller, body).await?;
    Ok(Created(role::present(&made, &base)))
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<RoleId>,
) -> Result<Accepted, Failure> {
    let job = api.actions.delete_role(&caller, id).await?;
    Ok(accepted(&base, &job))
}
