//! `/v3/jobs`.

use axum::{Json, extract::State};
use serde_json::Value;

use crate::{
    api::{
        Api, Failure,
        extract::{Auth, Base, Id},
        openapi::{Router, get},
    },
    model::JobId,
    wire::job,
};

pub(super) fn router() -> Router {
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
