//! `/v3/organization_quotas`.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::Value;

use super::resource::{Answer, Resource, View, create, delete, list, show, update, verbs};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api,
        extract::{Auth, Base, Body, Id},
        openapi::{Router, get, post},
    },
    authz::Verb,
    model::{OrgId, OrgQuota, OrgQuotaId},
    wire::{Query, ToMany, quota},
};

pub(super) fn router() -> Router {
    let one = get(show::<OrgQuota>).patch(update::<OrgQuota>);
    Router::new()
        .route(
            "/organization_quotas",
            get(list::<OrgQuota>).post(create::<OrgQuota>),
        )
        .route(
            "/organization_quotas/{guid}",
            one.delete(delete::<OrgQuota>),
        )
        .route(
            "/organization_quotas/{guid}/relationships/organizations",
            post(apply),
        )
}

impl Resource for OrgQuota {
    type Id = OrgQuotaId;
    const PATH: &'static str = "/v3/organization_quotas";
    const FILTERS: &'static [&'static str] = &["names", "organization_guids"];
    const LABELS: bool = false;

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.org_quotas(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: OrgQuotaId) -> Result<Arc<Self>, ActionError> {
        actions.org_quota(caller, id)
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [names, orgs] = ["names", "organization_guids"].map(|key| query.filter(key));
        items.retain(|quota| {
            names.passes_name(&quota.name)
                && (orgs.is_open()
                    || view
                        .orgs_of(quota)
                        .into_iter()
                        .any(|org| orgs.passes_id(org)))
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        quota::present_org(self, view.orgs_of(self), view.base)
    }
}

verbs!(
    OrgQuota,
    create(quota::CreateOrgQuota): create_org_quota,
    update(quota::Update): update_org_quota,
    delete: delete_org_quota
);

impl View<'_> {
    /// The organizations with the quota that the caller may see.
    fn orgs_of(&self, quota: &OrgQuota) -> Vec<OrgId> {
        let orgs = self.state.orgs_with_quota(quota.id).map(|org| org.id);
        orgs.filter(|org| self.caller.may_in_org(Verb::ReadOrg, *org))
            .collect()
    }
}

async fn apply(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<OrgQuotaId>,
    Body(body): Body<ToMany>,
) -> Answer {
    let applied = api.actions.apply_org_quota(&caller, id, body).await?;
    let view = View::new(&api, &caller, &base);
    let path = format!("{}/{id}", OrgQuota::PATH);
    Ok(Json(quota::applied(
        view.orgs_of(&applied),
        &path,
        "organizations",
        &base,
    )))
}
