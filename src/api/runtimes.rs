//! `/pastina/v1/runtimes`: what there is to build with, for which Cloud Foundry has no word.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{
    Api,
    extract::Auth,
    openapi::{Router, get},
};
use crate::build::{Report, survey};

pub(super) fn router() -> Router {
    Router::new().route("/pastina/v1/runtimes", get(list))
}

async fn list(State(api): State<Api>, Auth(_): Auth) -> Json<Value> {
    let reports = survey(&api.actions.catalog()).await;
    let runtimes: Vec<Value> = reports.iter().map(present).collect();
    Json(json!({ "runtimes": runtimes }))
}

fn present(report: &Report) -> Value {
    let tools: Vec<Value> = report
        .tools
        .iter()
        .map(|tool| {
            json!({
                "name": tool.name,
                "always": tool.always,
                "there": !tool.paths.is_empty(),
                "install": tool.install,
            })
        })
        .collect();
    json!({
        "name": report.name,
        "label": report.label,
        "buildpacks": report.buildpacks,
        "recognised_by": report.recognised_by,
        "image": report.image,
        "versions": report.versions,
        "ready": report.is_ready(),
        "tools": tools,
    })
}
