//! `/oauth/clients`.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Value, json};

use super::{
    error::Refusal,
    users::{Auth, ScimQuery, body, page},
};
use crate::{
    actions::NewSecret,
    api::{
        Api,
        answer::Created,
        openapi::{Router, get, put},
        raw::Unread,
    },
    identity::Password,
    model::Client,
    wire::{
        client::{ATTRIBUTES, Body, present, values},
        scim::SecretChange,
    },
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/oauth/clients", get(list).post(create))
        .route("/oauth/clients/{id}", get(show).put(update).delete(remove))
        .route("/oauth/clients/{id}/secret", put(change_secret))
}

fn missing(name: &str) -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("No client with requested id: {name}"),
    )
}

fn find(api: &Api, name: &str) -> Result<Client, Refusal> {
    let state = api.actions.store.state();
    let client = state.client_by_name(name).cloned();
    client.ok_or_else(|| missing(name))
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    query: ScimQuery,
) -> Result<Json<Value>, Refusal> {
    caller.need_admin()?;
    let state = api.actions.store.state();
    let mut clients: Vec<Client> = state.clients.values().map(|c| Client::clone(c)).collect();
    clients.sort_by(|a, b| a.name.cmp(&b.name));
    let query = &query.0;
    page(query, &ATTRIBUTES, clients, values, present)
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    request: Unread<Body>,
) -> Result<Created, Refusal> {
    caller.need_admin()?;
    let new: Body = body(request).await?;
    let hash = match new.secret.as_ref().filter(|secret| !secret.0.is_empty()) {
        Some(secret) => Some(
            api.identity
                .hash(Password::entered(secret.0.clone()))
                .await?,
        ),
        None => None,
    };
    let made = api.actions.create_client(&caller, new, hash).await?;
    Ok(Created(present(&made)))
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    caller.need_admin()?;
    Ok(Json(present(&find(&api, &name)?)))
}

async fn update(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(name): Path<String>,
    request: Unread<Body>,
) -> Result<Json<Value>, Refusal> {
    caller.need_admin()?;
    let wanted: Body = body(request).await?;
    find(&api, &name)?;
    let changed = api.actions.update_client(&caller, &name, wanted).await?;
    Ok(Json(present(&changed)))
}

async fn remove(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    caller.need_admin()?;
    find(&api, &name)?;
    let gone = api.actions.delete_client(&caller, &name).await?;
    Ok(Json(present(&gone)))
}

async fn change_secret(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(name): Path<String>,
    request: Unread<SecretChange>,
) -> Result<Json<Value>, Refusal> {
    caller.need_admin()?;
    let change: SecretChange = body(request).await?;
    find(&api, &name)?;
    let hash = match change.secret {
        Some(secret) if !secret.0.is_empty() => {
            Some(api.identity.hash(Password::entered(secret.0)).await?)
        }
        _ => None,
    };
    let new = match (change.mode.as_deref(), hash) {
        (Some("DELETE"), _) => NewSecret::DropFirst,
        (Some("ADD"), Some(hash)) => NewSecret::Add(hash),
        (None | Some("" | "UPDATE"), Some(hash)) => NewSecret::Replace(hash),
        _ => return Err(Refusal::invalid_request("The body lacks 'secret'.")),
    };
    api.actions.set_client_secret(&caller, &name, new).await?;
    Ok(Json(
        json!({ "status": "ok", "message": "Secret is updated" }),
    ))
}
