//! What Cloud Foundry has and this platform has none of: lists that are empty.

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
    Router::new().route("/apps/{guid}/sidecars", get(sidecars))
}

fn empty(query: &RawQuery, valid: &[&str], path: &str, base: &wire::Base) -> Answer {
    let query = query.parse(valid)?;
    let page = paginate(&query, Vec::<Value>::new())?;
    Ok(Json(page.json(base, path, &query, None, Value::clone)))
}

type Answer = Result<Json<Value>, Failure>;

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
