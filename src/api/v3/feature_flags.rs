//! `/v3/feature_flags` and `/v3/environment_variable_groups`.

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::Value;

use super::{
    platform::page,
    resource::{Answer, Listing},
};
use crate::{
    api::{
        Api, Failure,
        extract::{Auth, Base, Body, RawQuery, parameters},
        openapi::{Router, get},
    },
    model::{Flag, Workload},
    wire::{self, Error, app::EnvPatch, env_group, flag},
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/feature_flags", get(list))
        .route("/feature_flags/{name}", get(show).patch(update))
        .route(
            "/environment_variable_groups/{name}",
            get(variables).patch(set_variables),
        )
}

parameters! {
    /// What the list takes.
    Plain(true, labels: false):;
}

fn document(api: &Api, flag: Flag, base: &wire::Base) -> Value {
    let state = api.actions.store.state();
    flag::present(flag, api.actions.is_on(flag), state.flag(flag), base)
}

async fn list(
    State(api): State<Api>,
    _: Auth,
    Base(base): Base,
    query: RawQuery<Plain>,
) -> Listing {
    let query = query.parse()?;
    let all = Flag::ALL.iter().map(|flag| document(&api, *flag, &base));
    let mut all: Vec<Value> = all.collect();
    // They are in the order of their names.
    match query.get("order_by").unwrap_or("name") {
        "name" | "+name" => {}
        "-name" => all.reverse(),
        _ => {
            return Err(Error::bad_query_parameter(
                "The query parameter is invalid: Order by can only be: 'name'",
            )
            .into());
        }
    }
    page(all, &query, &base, "/v3/feature_flags")
}

fn find(name: &str) -> Result<Flag, Failure> {
    let missing = || Error::feature_flag_not_found("Feature flag not found").into();
    Flag::parse(name).ok_or_else(missing)
}

async fn show(
    State(api): State<Api>,
    _: Auth,
    Base(base): Base,
    Path(name): Path<String>,
) -> Answer {
    Ok(Json(document(&api, find(&name)?, &base)))
}

async fn update(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Path(name): Path<String>,
    Body(body): Body<flag::Update>,
) -> Answer {
    let flag = find(&name)?;
    api.actions.set_flag(&caller, flag, body).await?;
    Ok(Json(document(&api, flag, &base)))
}

fn group(name: &str) -> Result<Workload, Failure> {
    match name {
        "running" => Ok(Workload::Running),
        "staging" => Ok(Workload::Staging),
        _ => Err(Error::not_found("Environment variable group").into()),
    }
}

async fn variables(
    State(api): State<Api>,
    _: Auth,
    Base(base): Base,
    Path(name): Path<String>,
) -> Answer {
    let workload = group(&name)?;
    let state = api.actions.store.state();
    let found = state.env_group(workload);
    Ok(Json(env_group::present(workload, found, &base)))
}

async fn set_variables(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Path(name): Path<String>,
    Body(body): Body<EnvPatch>,
) -> Answer {
    let workload = group(&name)?;
    let changes = body.var.0;
    let set = api
        .actions
        .update_env_group(&caller, workload, changes)
        .await?;
    Ok(Json(env_group::present(workload, Some(&set), &base)))
}
