//! `/Groups`.

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
    actions::Membership,
    api::{
        Api,
        answer::Created,
        openapi::{Router, delete, get},
        raw::Unread,
    },
    model::{GroupId, User},
    wire::scim::{self, GROUP_ATTRIBUTES, GroupBody, Member, group_values},
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/Groups", get(list).post(create))
        .route("/Groups/{id}", get(show).put(replace).delete(remove))
        .route("/Groups/{id}/members", get(members).post(enter))
        .route("/Groups/{id}/members/{user}", delete(leave))
}

fn present(found: &Membership) -> Value {
    let members = found.members.iter().map(|user| -> &User { user });
    scim::group(&found.group, members)
}

fn parse(id: &str) -> Result<GroupId, Refusal> {
    id.parse().map_err(|_| {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "scim_resource_not_found",
            format!("Group {id} does not exist"),
        )
    })
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    query: ScimQuery,
) -> Result<Json<Value>, Refusal> {
    let mut groups = api.actions.groups(&caller)?;
    groups.sort_by(|a, b| a.group.name.cmp(&b.group.name));
    page(
        &query.0,
        &GROUP_ATTRIBUTES,
        groups,
        |found, name| group_values(&found.group, name),
        present,
    )
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    request: Unread<GroupBody>,
) -> Result<Created, Refusal> {
    caller.need_admin()?;
    let new: GroupBody = body(request).await?;
    let made = api.actions.create_group(&caller, new).await?;
    Ok(Created(present(&made)))
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    caller.need_admin()?;
    let found = api.actions.group(&caller, parse(&id)?)?;
    Ok(Json(present(&found)))
}

async fn replace(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(id): Path<String>,
    request: Unread<GroupBody>,
) -> Result<Json<Value>, Refusal> {
    caller.need_admin()?;
    let wanted: GroupBody = body(request).await?;
    let id = parse(&id)?;
    let changed = api.actions.replace_group(&caller, id, wanted).await?;
    Ok(Json(present(&changed)))
}

async fn remove(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    caller.need_admin()?;
    let gone = api.actions.delete_group(&caller, parse(&id)?).await?;
    Ok(Json(present(&gone)))
}

async fn members(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    caller.need_admin()?;
    let found = api.actions.group(&caller, parse(&id)?)?;
    let members = found.members.iter().map(|user| scim::member(user));
    Ok(Json(json!(members.collect::<Vec<_>>())))
}

async fn enter(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(id): Path<String>,
    request: Unread<Member>,
) -> Result<Created, Refusal> {
    caller.need_admin()?;
    let member: Member = body(request).await?;
    let id = parse(&id)?;
    let user = api.actions.enter_group(&caller, id, &member.value).await?;
    Ok(Created(scim::member(&user)))
}

async fn leave(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path((id, user)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    caller.need_admin()?;
    let user = api.actions.leave_group(&caller, parse(&id)?, &user).await?;
    Ok(Json(scim::member(&user)))
}
