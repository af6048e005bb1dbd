//! `/v3/apps/:guid/...`: the environment, the switches and the current droplet of an app.

use axum::{
    Json,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    actions::{Feature, ssh_off},
    api::{
        Api, Failure,
        extract::{Auth, Base, Body, Id},
        openapi::{Answers, Operation, Router, get, patch},
    },
    authz::Verb,
    model::{AppId, ProcessType, Workload},
    wire::{self, app, droplet, shared},
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/apps/{guid}/env", get(env))
        .route(
            "/apps/{guid}/environment_variables",
            get(variables).patch(set_variables),
        )
        .route("/apps/{guid}/permissions", get(permissions))
        .route("/apps/{guid}/ssh_enabled", get(ssh_enabled))
        .route("/apps/{guid}/features", get(features))
        .route(
            "/apps/{guid}/features/{name}",
            get(feature).patch(set_feature),
        )
        .route("/apps/{guid}/manifest", get(manifest))
        .route("/apps/{guid}/droplets/current", get(current_droplet))
        .route(
            "/apps/{guid}/relationships/current_droplet",
            patch(set_current_droplet).get(current_droplet_relationship),
        )
}

async fn env(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.app_with_secrets(&caller, id)?;
    let state = api.actions.store.state();
    let missing = || wire::Error::not_found("App");
    let space = state.spaces.get(&found.space).ok_or_else(missing)?;
    let org = state.orgs.get(&space.org).ok_or_else(missing)?;
    let uris = state.routes_of_app(id).filter_map(|route| {
        let domain = state.domains.get(&route.domain)?;
        Some(route.url(&domain.name))
    });
    let view = app::EnvView {
        app: &found,
        web: state.process_by_type(id, &ProcessType::web()),
        space,
        org,
        uris: uris.collect(),
        services: state.vcap_services(id),
        running: state.env_group(Workload::Running),
        staging: state.env_group(Workload::Staging),
    };
    Ok(Json(app::env(&view, &base)))
}

async fn variables(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.app_with_secrets(&caller, id)?;
    Ok(Json(app::environment_variables(&found, &base)))
}

async fn set_variables(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    Body(body): Body<app::EnvPatch>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.update_app_env(&caller, id, body.var.0).await?;
    Ok(Json(app::environment_variables(&found, &base)))
}

async fn permissions(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<AppId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.app(&caller, id)?;
    let state = api.actions.store.state();
    Ok(Json(json!({
        "read_basic_data": true,
        "read_sensitive_data": caller.may_in_space(&state, Verb::ReadSecrets, found.space),
    })))
}

async fn ssh_enabled(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<AppId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.app(&caller, id)?;
    let state = api.actions.store.state();
    let space = state.spaces.get(&found.space);
    let reason = match api.ssh {
        None => "ssh is disabled globally".to_owned(),
        Some(_) => ssh_off(&found, space.map(|space| &**space)),
    };
    Ok(Json(
        json!({ "enabled": reason.is_empty(), "reason": reason }),
    ))
}

async fn features(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
) -> Result<Json<Value>, Failure> {
    let found = api.actions.app(&caller, id)?;
    let resources: Vec<Value> = Feature::ALL
        .into_iter()
        .map(|feature| present(feature, feature.is_on(&found)))
        .collect();
    let link = base.link(&format!("/v3/apps/{id}/features"));
    Ok(Json(json!({
        "resources": resources,
        "pagination": {
            "total_results": resources.len(),
            "total_pages": 1,
            "first": link,
            "last": link,
            "next": null,
            "previous": null,
        },
    })))
}

fn present(feature: Feature, on: bool) -> Value {
    app::feature(feature.name, feature.description, on)
}

/// The app and the feature in the path.
fn named((guid, name): (String, String)) -> Result<(AppId, Feature), Failure> {
    let id = guid.parse().map_err(|_| wire::Error::not_found("App"))?;
    let feature = Feature::named(&name).ok_or_else(|| wire::Error::not_found("Feature"))?;
    Ok((id, feature))
}

async fn feature(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(path): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let (id, feature) = named(path)?;
    let found = api.actions.app(&caller, id)?;
    Ok(Json(present(feature, feature.is_on(&found))))
}

async fn set_feature(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(path): Path<(String, String)>,
    Body(body): Body<app::FeaturePatch>,
) -> Result<Json<Value>, Failure> {
    let (id, feature) = named(path)?;
    let set = api
        .actions
        .set_app_feature(&caller, id, feature, body.enabled)
        .await?;
    Ok(Json(present(feature, feature.is_on(&set))))
}

/// A manifest as an answer.
struct Manifest(String);

impl IntoResponse for Manifest {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/x-yaml")], self.0).into_response()
    }
}

impl Answers for Manifest {
    fn describe(operation: &mut Operation) {
        operation.answer(200, Some(("application/x-yaml", json!(true))));
    }
}

async fn manifest(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<AppId>,
) -> Result<Manifest, Failure> {
    let manifest = api.actions.app_manifest(&caller, id)?;
    let yaml = wire::manifest::yaml(&manifest)
        .map_err(|_| wire::Error::unknown("An unknown error occurred."))?;
    Ok(Manifest(yaml))
}

async fn current_droplet(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
) -> Result<Json<Value>, Failure> {
    let current = api.actions.current_droplet(&caller, id)?;
    Ok(Json(droplet::present(&current, &base)))
}

async fn current_droplet_relationship(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
) -> Result<Json<Value>, Failure> {
    let current = api.actions.current_droplet(&caller, id)?;
    Ok(Json(relationship(id, &current.id.to_string(), &base)))
}

async fn set_current_droplet(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    Body(body): Body<app::CurrentDroplet>,
) -> Result<Json<Value>, Failure> {
    let guid = body.data.map(|droplet| droplet.guid).unwrap_or_default();
    api.actions
        .set_current_droplet(&caller, id, guid.parse().ok())
        .await?;
    Ok(Json(relationship(id, &guid, &base)))
}

fn relationship(app: AppId, droplet: &str, base: &wire::Base) -> Value {
    let path = format!("/v3/apps/{app}");
    let mut document = shared::to_one(droplet);
    document["links"] = wire::Links::new(base)
        .to("self", &format!("{path}/relationships/current_droplet"))
        .to("related", &format!("{path}/droplets/current"))
        .json();
    document
}
