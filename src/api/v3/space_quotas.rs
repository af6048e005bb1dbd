//! `/v3/space_quotas`.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::Value;

use super::resource::{Answer, Resource, View, create, delete, list, show, update, verbs};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::NoContent,
        extract::{Auth, Base, Body, Id, Ids},
        openapi::{Router, delete as delete_at, get, post},
    },
    authz::Verb,
    model::{SpaceId, SpaceQuota, SpaceQuotaId},
    wire::{Query, ToMany, quota},
};

pub(super) fn router() -> Router {
    let one = get(show::<SpaceQuota>).patch(update::<SpaceQuota>);
    Router::new()
        .route(
            "/space_quotas",
            get(list::<SpaceQuota>).post(create::<SpaceQuota>),
        )
        .route("/space_quotas/{guid}", one.delete(delete::<SpaceQuota>))
        .route("/space_quotas/{guid}/relationships/spaces", post(apply))
        .route(
            "/space_quotas/{guid}/relationships/spaces/{space}",
            delete_at(remove),
        )
}

impl Resource for SpaceQuota {
    type Id = SpaceQuotaId;
    const PATH: &'static str = "/v3/space_quotas";
    const FILTERS: &'static [&'static str] = &["names", "organization_guids", "space_guids"];
    const LABELS: bool = false;

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.space_quotas(caller)
    }

    fn find(
        actions: &Actions,
        caller: &Caller,
        id: SpaceQuotaId,
    ) -> Result<Arc<Self>, ActionError> {
        actions.space_quota(caller, id)
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [names, orgs, spaces] =
            ["names", "organization_guids", "space_guids"].map(|key| query.filter(key));
        items.retain(|quota| {
            let mut used = view.spaces_of(quota).into_iter();
            names.passes_name(&quota.name)
                && orgs.passes_id(quota.org)
                && (spaces.is_open() || used.any(|space| spaces.passes_id(space)))
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        quota::present_space(self, view.spaces_of(self), view.base)
    }
}

verbs!(
    SpaceQuota,
    create(quota::CreateSpaceQuota): create_space_quota,
    update(quota::Update): update_space_quota,
    delete: delete_space_quota
);

impl View<'_> {
    /// The spaces with the quota that the caller may see.
    fn spaces_of(&self, quota: &SpaceQuota) -> Vec<SpaceId> {
        let spaces = self.state.spaces_with_quota(quota).map(|space| space.id);
        let sees = |space: &SpaceId| {
            let (caller, state) = (self.caller, &self.state);
            caller.may_in_space(state, Verb::ReadSpace, *space)
        };
        spaces.filter(sees).collect()
    }
}

async fn apply(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<SpaceQuotaId>,
    Body(body): Body<ToMany>,
) -> Answer {
    let applied = api.actions.apply_space_quota(&caller, id, body).await?;
    let view = View::new(&api, &caller, &base);
    let path = format!("{}/{id}", SpaceQuota::PATH);
    Ok(Json(quota::applied(
        view.spaces_of(&applied),
        &path,
        "spaces",
        &base,
    )))
}

async fn remove(
    State(api): State<Api>,
    Auth(caller): Auth,
    Ids(id, space): Ids<SpaceQuotaId, SpaceId>,
) -> Result<NoContent, Failure> {
    api.actions.remove_space_quota(&caller, id, space).await?;
    Ok(NoContent)
}
