//! Where clients find everything: `/`, `/v3`, `/v3/info`.

use axum::{Json, extract::State};
use serde_json::Value;

use super::{
    Api,
    extract::Base,
    openapi::{Router, get},
};
use crate::wire::platform;

pub(super) fn router() -> Router {
    Router::new()
        .route(
            "/",
            get(async |State(api): State<Api>, Base(base): Base| {
                Json(platform::root(&base, api.ssh.as_ref()))
            }),
        )
        .route("/v3", get(v3))
        .route("/v3/", get(v3))
        .route(
            "/v3/info",
            get(async |Base(base): Base| Json(platform::info(&base))),
        )
}

async fn v3(Base(base): Base) -> Json<Value> {
    Json(platform::v3(&base))
}
