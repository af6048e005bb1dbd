//! What Cloud Foundry has and this platform has none of: lists that are empty, and refusals
//! that say so.

use axum::{Json, Router, extract::State, routing::get};
use serde_json::Value;

use super::processes::Target;
use crate::{
    api::{
        Api, Failure,
        extract::{Auth, Base, Id, RawQuery},
    },
    model::AppId,
    wire::{self, paginate},
};

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/deployments", get(deployments).post(deploy))
        .route("/apps/{guid}/sidecars", get(sidecars))
        .route("/apps/{guid}/revisions", get(revisions))
        .route("/apps/{guid}/revisions/deployed", get(deployed))
}

fn empty(query: &RawQuery, valid: &[&str], path: &str, base: &wire::Base) -> Answer {
    let query = query.parse(valid)?;
    let page = paginate(&query, Vec::<Value>::new())?;
    Ok(Json(page.json(base, path, &query, None, Value::clone)))
}

type Answer = Result<Json<Value>, Failure>;

async fn deployments(Auth(_): Auth, Base(base): Base, query: RawQuery) -> Answer {
    let valid = ["app_guids", "states", "status_reasons", "status_values"];
    empty(&query, &valid, "/v3/deployments", &base)
}

async fn deploy(Auth(_): Auth) -> Failure {
    wire::Error::unprocessable(
        "Rolling and canary deployments are not supported on this platform: leave out \
         --strategy, and the app is restarted with its new droplet.",
    )
    .into()
}

async fn sidecars(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery,
) -> Answer {
    api.actions.app(&caller, id)?;
    empty(&query, &[], &format!("/v3/apps/{id}/sidecars"), &base)
}

async fn revisions(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery,
) -> Answer {
    api.actions.app(&caller, id)?;
    let path = format!("/v3/apps/{id}/revisions");
    empty(&query, &["versions", "deployable"], &path, &base)
}

async fn deployed(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery,
) -> Answer {
    api.actions.app(&caller, id)?;
    let path = format!("/v3/apps/{id}/revisions/deployed");
    empty(&query, &[], &path, &base)
}

/// The sidecars of a process.
pub(super) async fn list_of_process(
    State(api): State<Api>,
    Base(base): Base,
    target: Target,
    query: RawQuery,
) -> Answer {
    let (_, process) = api.actions.process(&target.caller, target.id)?;
    let path = format!("/v3/processes/{}/sidecars", process.id);
    empty(&query, &[], &path, &base)
}
