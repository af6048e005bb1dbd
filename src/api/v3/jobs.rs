//! `/v3/jobs`.

use axum::{Json, Router, extract::State, routing::get};
use serde_json::Value;

use crate::{
    api::{
        Api, Failure,
        extract::{Auth, Base, Id},
    },
    model::JobId,
    wire::job,
};

pub(super) fn router() -> Router<Api> {
    Router::new().route("/jobs/{guid}", get(show))
}

async fn show(
    State(api): State<Api>,
    Auth(_): Auth,
    Base(base): Base,
    Id(id): Id<JobId>,
) -> Result<Json<Value>, Failure> {
    Ok(Json(job::present(&*api.actions.job(id)?, &base)))
}
