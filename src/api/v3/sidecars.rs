//! `/v3/sidecars`, `/v3/apps/:guid/sidecars` and those of processes.

use std::sync::Arc;

use axum::extract::State;
use serde_json::Value;

use super::{
    processes::Target,
    resource::{Listing, Resource, View, show, update, verbs},
};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::{Created, NoContent},
        extract::{Auth, Base, Body, Id, RawQuery, parameters},
        openapi::{Router, get},
    },
    authz::Verb,
    model::{AppId, Sidecar, SidecarId},
    wire::{Query, sidecar},
};

pub(super) fn router() -> Router {
    let one = get(show::<Sidecar>).patch(update::<Sidecar>);
    Router::new()
        .route("/sidecars/{guid}", one.delete(delete))
        .route("/apps/{guid}/sidecars", get(list_of_app).post(create))
}

parameters! {
    /// What the lists take.
    Plain(true, labels: false):;
}

impl Resource for Sidecar {
    type Id = SidecarId;
    // There is no list of all.
    const PATH: &'static str = "/v3/sidecars";
    const FILTERS: &'static [&'static str] = &[];
    const LABELS: bool = false;

    fn all(_: &Actions, _: &Caller, _: &Query) -> Vec<Arc<Self>> {
        Vec::new()
    }

    fn find(actions: &Actions, caller: &Caller, id: SidecarId) -> Result<Arc<Self>, ActionError> {
        actions.sidecar(caller, id)
    }

    fn narrow(_: &Query, _: &View<'_>, _: &mut Vec<Arc<Self>>) {}

    fn present(&self, view: &View<'_>) -> Value {
        let app = view.state.apps.get(&self.app);
        let open = app.is_some_and(|app| {
            view.caller
                .may_in_space(&view.state, Verb::ReadSecrets, app.space)
        });
        sidecar::present(self, open, view.base)
    }
}

verbs!(Sidecar, update(sidecar::Update): update_sidecar);

async fn list_of_app(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery<Plain>,
) -> Listing {
    let query = query.parse()?;
    let all = api.actions.sidecars(&caller, id)?;
    let path = format!("/v3/apps/{id}/sidecars");
    View::new(&api, &caller, &base).page(&query, all, &path)
}

/// The sidecars of a process.
pub(super) async fn list_of_process(
    State(api): State<Api>,
    Base(base): Base,
    target: Target,
    query: RawQuery<Plain>,
) -> Listing {
    let query = query.parse()?;
    let all = api.actions.sidecars_of_process(&target.caller, target.id)?;
    let path = format!("/v3/processes/{}/sidecars", target.id);
    View::new(&api, &target.caller, &base).page(&query, all, &path)
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    Body(body): Body<sidecar::Create>,
) -> Result<Created, Failure> {
    let made = api.actions.create_sidecar(&caller, id, body).await?;
    let document = made.present(&View::new(&api, &caller, &base));
    Ok(Created(document))
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<SidecarId>,
) -> Result<NoContent, Failure> {
    api.actions.delete_sidecar(&caller, id).await?;
    Ok(NoContent)
}
