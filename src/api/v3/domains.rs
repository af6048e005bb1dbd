//! `/v3/domains`.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::resource::{Resource, View, create, delete, list, show, update, verbs};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::NoContent,
        extract::{Auth, Body, Id, Ids, RawQuery, parameters},
        openapi::{Router, delete as delete_at, get, post},
    },
    authz::Verb,
    model::{Domain, DomainId, OrgId},
    wire::{self, Query, ToMany, domain, shared},
};

pub(super) fn router() -> Router {
    let one = get(show::<Domain>).patch(update::<Domain>);
    Router::new()
        .route("/domains", get(list::<Domain>).post(create::<Domain>))
        .route("/domains/{guid}", one.delete(delete::<Domain>))
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

parameters! {
    /// What is asked about.
    Reserved(false): "host", "path", "port";
}

/// Whether the caller sees an organization, and so learns that a domain is shared with it.
pub(super) fn sees(caller: &Caller) -> impl Fn(OrgId) -> bool {
    |org| caller.may_in_org(Verb::ReadOrg, org)
}

impl Resource for Domain {
    type Id = DomainId;
    const PATH: &'static str = "/v3/domains";
    const FILTERS: &'static [&'static str] = &["names", "organization_guids"];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.domains(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: DomainId) -> Result<Arc<Self>, ActionError> {
        actions.domain(caller, id)
    }

    fn narrow(query: &Query, _: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [names, orgs] = ["names", "organization_guids"].map(|key| query.filter(key));
        items.retain(|domain| names.passes_name(&domain.name) && orgs.passes_maybe(domain.org));
    }

    fn present(&self, view: &View<'_>) -> Value {
        domain::present(self, view.base, &sees(view.caller))
    }
}

verbs!(
    Domain,
    create(domain::Create): create_domain,
    update(domain::Update): update_domain,
    delete: delete_domain
);

async fn reservations(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<DomainId>,
    query: RawQuery<Reserved>,
) -> Result<Json<Value>, Failure> {
    let query = query.parse()?;
    let [host, path] = ["host", "path"].map(|key| query.get(key).unwrap_or_default());
    // Cloud Foundry's number for none.
    let port = query.get("port").filter(|port| *port != "0");
    let wrong = |_| wire::Error::bad_request("Ports must be numbers from 0 to 65535");
    let port = port.map(str::parse).transpose().map_err(wrong)?;
    let matching = api
        .actions
        .is_route_reserved(&caller, id, host, path, port)?;
    Ok(Json(json!({ "matching_route": matching })))
}

async fn share(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<DomainId>,
    Body(body): Body<ToMany>,
) -> Result<Json<Value>, Failure> {
    let changed = api.actions.share_domain(&caller, id, body).await?;
    let mut orgs = changed.shared_with;
    orgs.retain(|org| sees(&caller)(*org));
    Ok(Json(shared::to_many(&orgs)))
}

async fn unshare(
    State(api): State<Api>,
    Auth(caller): Auth,
    Ids(id, org): Ids<DomainId, OrgId>,
) -> Result<NoContent, Failure> {
    api.actions.unshare_domain(&caller, id, org).await?;
    Ok(NoContent)
}
