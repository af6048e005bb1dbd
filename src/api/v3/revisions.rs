//! `/v3/revisions` and `/v3/apps/:guid/revisions`.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::Value;

use super::resource::{Answer, Listing, Resource, View, show, update, verbs};
use crate::{
    actions::{ActionError, Actions, Caller, is_deployable},
    api::{
        Api,
        extract::{Auth, Base, Id, RawQuery, parameters},
        openapi::{Router, get},
    },
    authz::Verb,
    model::{AppId, Revision, RevisionId},
    wire::{Query, package, revision},
};

pub(super) fn router() -> Router {
    let one = get(show::<Revision>).patch(update::<Revision>);
    Router::new()
        .route("/revisions/{guid}", one)
        .route("/revisions/{guid}/environment_variables", get(variables))
        .route("/apps/{guid}/revisions", get(list_of_app))
        .route("/apps/{guid}/revisions/deployed", get(deployed))
}

parameters! {
    /// What a list without filters of its own takes.
    Plain(true, labels: false):;
}

impl Resource for Revision {
    type Id = RevisionId;
    // There is no list of all.
    const PATH: &'static str = "/v3/revisions";
    const FILTERS: &'static [&'static str] = &["versions", "deployable"];

    fn all(_: &Actions, _: &Caller, _: &Query) -> Vec<Arc<Self>> {
        Vec::new()
    }

    fn find(actions: &Actions, caller: &Caller, id: RevisionId) -> Result<Arc<Self>, ActionError> {
        actions.revision(caller, Verb::ReadSpace, id)
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [versions, deployable] = ["versions", "deployable"].map(|key| query.filter(key));
        items.retain(|found| {
            (versions.is_open() || versions.passes_id(found.version))
                && (deployable.is_open() || deployable.passes_id(is_deployable(&view.state, found)))
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        let app = view.state.apps.get(&self.app);
        let open = app.is_some_and(|app| {
            view.caller
                .may_in_space(&view.state, Verb::ReadSecrets, app.space)
        });
        let deployable = is_deployable(&view.state, self);
        revision::present(self, revision::View { deployable, open }, view.base)
    }
}

verbs!(Revision, update(package::Update): update_revision);

async fn list_of_app(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery<Revision>,
) -> Listing {
    let query = query.parse()?;
    let all = api.actions.revisions(&caller, id)?;
    let path = format!("/v3/apps/{id}/revisions");
    View::new(&api, &caller, &base).page(&query, all, &path)
}

async fn deployed(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery<Plain>,
) -> Listing {
    let query = query.parse()?;
    let all = api.actions.deployed_revisions(&caller, id)?;
    let path = format!("/v3/apps/{id}/revisions/deployed");
    View::new(&api, &caller, &base).page(&query, all, &path)
}

async fn variables(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<RevisionId>,
) -> Answer {
    let found = api.actions.revision(&caller, Verb::ReadSecrets, id)?;
    Ok(Json(revision::environment_variables(&found, &base)))
}
