//! `/v3/organizations`.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::Value;

use super::{
    domains::sees,
    resource::{Listing, Resource, View, create, delete, list, show, update, verbs},
};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        extract::{Auth, Base, Id, RawQuery},
        openapi::{Router, get},
    },
    model::{Domain, Org, OrgId},
    wire::{Order, Query, by_name, domain, organization, quota},
};

pub(super) fn router() -> Router {
    let one = get(show::<Org>).patch(update::<Org>);
    Router::new()
        .route("/organizations", get(list::<Org>).post(create::<Org>))
        .route("/organizations/{guid}", one.delete(delete::<Org>))
        .route("/organizations/{guid}/domains", get(domains))
        .route("/organizations/{guid}/domains/default", get(default_domain))
        .route("/organizations/{guid}/usage_summary", get(usage))
        .route("/organizations/{guid}/users", get(users))
}

impl Resource for Org {
    type Id = OrgId;
    const PATH: &'static str = "/v3/organizations";
    const FILTERS: &'static [&'static str] = &["names"];
    const ORDERS: &'static [Order<Self>] = &[by_name()];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.organizations(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: OrgId) -> Result<Arc<Self>, ActionError> {
        actions.organization(caller, id)
    }

    fn narrow(query: &Query, _: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let names = query.filter("names");
        items.retain(|org| names.passes_name(&org.name));
    }

    fn present(&self, view: &View<'_>) -> Value {
        organization::present(self, view.base)
    }
}

verbs!(
    Org,
    create(organization::Create): create_organization,
    update(organization::Update): update_organization,
    delete: delete_organization
);

async fn domains(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<OrgId>,
    query: RawQuery<Domain>,
) -> Listing {
    let query = query.parse()?;
    let all = api.actions.domains_of(&caller, id)?;
    let path = format!("/v3/organizations/{id}/domains");
    View::new(&api, &caller, &base).page(&query, all, &path)
}

async fn default_domain(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<OrgId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.default_domain(&caller, id)?;
    Ok(Json(domain::present(&found, &base, &sees(&caller))))
}

async fn users(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<OrgId>,
    query: RawQuery<super::users::Users>,
) -> Listing {
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
    let owner = format!("/v3/organizations/{id}");
    Ok(Json(quota::usage(&used, ("organization", &owner), &base)))
}
