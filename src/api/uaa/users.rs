//! `/Users`, as the CLI's create-user, delete-user and passwd use it.

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::Refusal;
use crate::{
    actions::Caller,
    api::{
        Api,
        answer::{Created, Unkept},
        extract::{bearer_of, client_of, read},
        openapi::{Operation, Router, Security, Takes, get, patch as patch_at, put},
        raw::Unread,
    },
    identity::{LoginError, Password, WeakPassword},
    model::{Profile, User, UserId},
    wire::{
        Query,
        scim::{self, Filter, USER_ATTRIBUTES, user_values},
        user::{self, PasswordChange, Scim, Status},
    },
};

/// Most users on one page.
const MAX_COUNT: usize = 500;

pub(super) fn router() -> Router {
    Router::new()
        .route("/Users", get(list).post(create))
        .route(
            "/Users/{id}",
            get(show).put(replace).patch(patch).delete(remove),
        )
        .route("/Users/{id}/password", put(change_password))
        .route("/Users/{id}/status", patch_at(set_status))
}

/// The caller, refused in UAA's form.
pub(super) struct Auth(pub(super) Caller);

impl FromRequestParts<Api> for Auth {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let state = api.actions.store.state();
        let bearer = bearer_of(&parts.headers)
            .and_then(|token| api.identity.bearer(&state, token, api.actions.now()))
            .ok_or_else(Refusal::invalid_token)?;
        let caller = Caller::new(&state, bearer.user);
        Ok(Self(caller.limited(bearer.limit.as_deref())))
    }
}

pub(super) async fn body<T: DeserializeOwned>(request: Unread<T>) -> Result<T, Refusal> {
    let bytes = read(request.0.into_body())
        .await
        .map_err(|_| Refusal::invalid_request("The body could not be read."))?;
    serde_json::from_slice(&bytes).map_err(|error| Refusal::invalid_request(error.to_string()))
}

impl Takes for Auth {
    fn describe(operation: &mut Operation) {
        operation.secure(Security::Bearer);
    }
}

/// What lists take.
const PARAMETERS: [&str; 6] = [
    "filter",
    "attributes",
    "sortBy",
    "sortOrder",
    "startIndex",
    "count",
];

/// The query string of a list.
pub(super) struct ScimQuery(pub(super) String);

impl<S: Sync> FromRequestParts<S> for ScimQuery {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Ok(Self(parts.uri.query().unwrap_or_default().to_owned()))
    }
}

impl Takes for ScimQuery {
    fn describe(operation: &mut Operation) {
        for name in PARAMETERS {
            let kind = match name {
                "startIndex" | "count" => json!({ "type": "integer", "minimum": 1 }),
                "sortOrder" => json!({ "enum": ["ascending", "descending"] }),
                _ => json!({ "type": "string" }),
            };
            operation.query(name, &kind);
        }
    }
}

/// A page of a SCIM list: what `values` says of an item's attributes, of which only `known` may
/// be asked about, narrows it; `present` shows one.
pub(super) fn page<T>(
    query: &str,
    known: &[&str],
    mut items: Vec<T>,
    values: impl Fn(&T, &str) -> Vec<String>,
    present: impl Fn(&T) -> Value,
) -> Result<Json<Value>, Refusal> {
    let query = Query::parse(query, &PARAMETERS)
        .map_err(|error| Refusal::invalid_request(error.to_string()))?;
    let text = query.get("filter").unwrap_or_default();
    let filter = Filter::parse(text).filter(|filter| filter.asks_only(known));
    let filter = filter.ok_or_else(|| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "invalid_scim_resource",
            format!(
                "Invalid filter expression: known are the attributes {}",
                known.join(", ")
            ),
        )
    })?;
    let bad = |error: crate::wire::Error| Refusal::invalid_request(error.to_string());
    let start = query.number("startIndex", 1, usize::MAX).map_err(bad)?;
    let count = query.number("count", 100, MAX_COUNT).map_err(bad)?;
    items.retain(|item| filter.passes(&|name| values(item, name)));
    if let Some(attribute) = query.get("sortBy").map(str::to_lowercase) {
        items.sort_by_cached_key(|item| values(item, &attribute));
    }
    if query.get("sortOrder") == Some("descending") {
        items.reverse();
    }
    let resources = items.iter().skip(start - 1).take(count).map(present);
    let resources: Vec<Value> = resources.collect();
    Ok(Json(scim::page(&resources, start, count, items.len())))
}

fn present(api: &Api, user: &User) -> Value {
    let groups = api.actions.groups_of_user(user);
    user::scim(user, &groups)
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    query: ScimQuery,
) -> Result<Json<Value>, Refusal> {
    let mut users = api.actions.logins(&caller)?;
    users.sort_by_key(|user| (user.created_at, user.id));
    page(
        &query.0,
        &USER_ATTRIBUTES,
        users,
        |user, name| user_values(user, name),
        |user| present(&api, user),
    )
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    request: Unread<Scim>,
) -> Result<Created, Refusal> {
    caller.need_admin()?;
    let new: Scim = body(request).await?;
    let username = new.username.clone().unwrap_or_default();
    let profile = new
        .whole(&Profile::default(), &username)
        .map_err(|text| Refusal::new(StatusCode::BAD_REQUEST, "invalid_scim_resource", text))?;
    let weak = |error: WeakPassword| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "invalid_scim_resource",
            error.to_string(),
        )
    };
    let own = new
        .origin
        .as_deref()
        .is_none_or(|origin| ["", "uaa"].contains(&origin));
    let hash = match new.password.filter(|_| own) {
        Some(password) => {
            let password = Password::parse(password.0).map_err(weak)?;
            Some(api.identity.hash(password).await?)
        }
        None if own => return Err(weak(WeakPassword)),
        None => None,
    };
    let user = api
        .actions
        .create_login(&caller, &username, new.origin.as_deref(), hash, profile)
        .await?;
    Ok(Created(present(&api, &user)))
}

fn parse(id: &str) -> Result<UserId, Refusal> {
    id.parse().map_err(|_| Refusal::no_user(id))
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let wanted = parse(&id)?;
    if caller.user.id != wanted {
        caller.need_admin()?;
    }
    let user = api
        .actions
        .login(&caller, wanted)
        .map_err(|_| Refusal::no_user(&id))?;
    Ok(Json(present(&api, &user)))
}

async fn replace(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(id): Path<String>,
    request: Unread<Scim>,
) -> Result<Json<Value>, Refusal> {
    change(&api, &caller, &id, request, true).await
}

async fn patch(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(id): Path<String>,
    request: Unread<Scim>,
) -> Result<Json<Value>, Refusal> {
    change(&api, &caller, &id, request, false).await
}

async fn change(
    api: &Api,
    caller: &Caller,
    id: &str,
    request: Unread<Scim>,
    is_whole: bool,
) -> Result<Json<Value>, Refusal> {
    caller.need_admin()?;
    let wanted = parse(id)?;
    // The version, where the client wants to change that one and no later one.
    let version = match request.0.headers().get(header::IF_MATCH) {
        None => None,
        Some(value) => match value.to_str().unwrap_or_default().trim_matches('"') {
            "*" => None,
            text => Some(text.parse().map_err(|_| {
                Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "scim_resource",
                    format!("Invalid If-Match value: {text}"),
                )
            })?),
        },
    };
    let body: Scim = body(request).await?;
    let changed = api
        .actions
        .update_login(caller, wanted, body, is_whole, version)
        .await?;
    let user = changed.ok_or_else(|| {
        Refusal::new(
            StatusCode::PRECONDITION_FAILED,
            "scim_resource",
            format!("Attempt to update a user ({id}) with wrong version"),
        )
    })?;
    Ok(Json(present(api, &user)))
}

async fn remove(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let gone = api.actions.delete_login(&caller, parse(&id)?).await?;
    // Clients want a document, also where the control API has deleted the user before.
    Ok(Json(gone.map_or_else(
        || json!({ "id": id }),
        |user| present(&api, &user),
    )))
}

/// `PATCH /Users/:id/status`, as `uaac user unlock` uses it.
async fn set_status(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(id): Path<String>,
    request: Unread<Status>,
) -> Result<Json<Value>, Refusal> {
    caller.need_admin()?;
    let status: Status = body(request).await?;
    let user = api
        .actions
        .login(&caller, parse(&id)?)
        .map_err(|_| Refusal::no_user(&id))?;
    match status.locked {
        Some(false) => api.identity.unlock(&user),
        Some(true) => {
            return Err(Refusal::invalid_request(
                "Cannot set user account to locked. User accounts only become locked through \
                 exceeding the allowed failed login attempts.",
            ));
        }
        None => {
            return Err(Refusal::invalid_request(
                "Of a user's status 'locked' alone can be set.",
            ));
        }
    }
    Ok(Json(json!({ "locked": false })))
}

async fn change_password(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(id): Path<String>,
    request: Unread<PasswordChange>,
) -> Result<Unkept, Refusal> {
    let wanted = parse(&id)?;
    let client = client_of(request.0.extensions());
    let change: PasswordChange = body(request).await?;
    let invalid =
        |text: String| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_password", text);
    let new = Password::parse(change.password.0).map_err(|error| invalid(error.to_string()))?;
    let checked = if caller.user.id == wanted {
        // Also for admins: a token that was left lying about must not be enough.
        let old = Password::entered(change.old.map(|old| old.0).unwrap_or_default());
        if !api
            .identity
            .is_password_of(&caller.user, old, client, api.actions.now())
            .await?
        {
            return Err(LoginError::BadCredentials.into());
        }
        caller.user.password_hash.clone()
    } else {
        caller.need_admin()?;
        None
    };
    let hash = api.identity.hash(new).await?;
    api.actions
        .set_password(&caller, wanted, checked.as_deref(), hash)
        .await?;
    let answer = json!({ "status": "ok", "message": "password updated" });
    Ok(Unkept(answer))
}
