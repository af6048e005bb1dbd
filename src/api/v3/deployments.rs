//! `/v3/deployments`.

use std::sync::Arc;

use axum::extract::State;
use serde_json::Value;

use super::resource::{Resource, View, create, list, show, update, verbs};
use crate::{
    actions::{ActionError, Actions, Caller, Feature},
    api::{
        Api, Failure,
        answer::Done,
        extract::{Auth, Id},
        openapi::{Router, get, post},
    },
    model::{Deployment, DeploymentId, InstanceState, Observed},
    wire::{Query, deployment, package},
};

pub(super) fn router() -> Router {
    let one = get(show::<Deployment>).patch(update::<Deployment>);
    let all = get(list::<Deployment>).post(create::<Deployment>);
    Router::new()
        .route("/deployments", all)
        .route("/deployments/{guid}", one)
        .route("/deployments/{guid}/actions/cancel", post(cancel))
        .route("/deployments/{guid}/actions/continue", post(go_on))
}

impl Resource for Deployment {
    type Id = DeploymentId;
    const PATH: &'static str = "/v3/deployments";
    const FILTERS: &'static [&'static str] =
        &["app_guids", "states", "status_reasons", "status_values"];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.deployments(caller)
    }

    fn find(
        actions: &Actions,
        caller: &Caller,
        id: DeploymentId,
    ) -> Result<Arc<Self>, ActionError> {
        actions.deployment(caller, id)
    }

    fn narrow(query: &Query, _: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [apps, states] = ["app_guids", "states"].map(|key| query.filter(key));
        let [values, reasons] = ["status_values", "status_reasons"].map(|key| query.filter(key));
        items.retain(|found| {
            let (value, reason) = deployment::status(found.state);
            (apps.is_open() || apps.passes_id(found.app))
                && states.passes(deployment::state(found.state))
                && values.passes(value)
                && reasons.passes(reason)
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        let app = view.state.apps.get(&self.app);
        let kept = Feature::named("revisions").zip(app);
        let kept = kept.is_some_and(|(feature, app)| feature.is_on(app));
        deployment::present(self, kept, crash(self, &view.observed), view.base)
    }
}

/// Why the instances that a deployment waits for do not come up, where they crash.
fn crash(deployment: &Deployment, observed: &Observed) -> Option<String> {
    let process = deployment
        .process
        .filter(|_| deployment.state.is_active())?;
    let mut slots = observed.processes.get(&process)?.iter();
    let crashed = slots.find(|slot| slot.state == InstanceState::Crashed)?;
    let details = crashed.details.as_deref();
    Some(format!(
        "Instance {} of the new version crashed{}",
        crashed.index,
        details.map_or(String::new(), |details| format!(": {details}"))
    ))
}

verbs!(
    Deployment,
    create(deployment::Create): create_deployment,
    update(package::Update): update_deployment
);

async fn cancel(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<DeploymentId>,
) -> Result<Done, Failure> {
    api.actions.cancel_deployment(&caller, id).await?;
    Ok(Done)
}

async fn go_on(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<DeploymentId>,
) -> Result<Done, Failure> {
    api.actions.continue_deployment(&caller, id).await?;
    Ok(Done)
}
