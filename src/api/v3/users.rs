//! `/v3/users`.

use axum::{Json, extract::State};
use serde_json::Value;

use super::resource::Listing;
use crate::{
    actions::Caller,
    api::{
        Api, Failure,
        answer::{Accepted, Created, accepted},
        extract::{Auth, Base, Body, Id, RawQuery, parameters},
        openapi::{Router, get},
    },
    model::{OrgId, RoleScope, SpaceId, User, UserId},
    store,
    wire::{self, Query, arrange, paginate, user},
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/users", get(list).post(create))
        .route("/users/{guid}", get(show).patch(update).delete(delete))
}

parameters! {
    /// What lists of users take.
    Users(true): "usernames", "partial_usernames", "origins";
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery<Users>,
) -> Listing {
    list_where(&api, &caller, &query, &base, "/v3/users", |_| true)
}

/// The users with a role in `org` or in a space that `is_here`.
pub(super) fn list_in(
    api: &Api,
    caller: &Caller,
    query: &RawQuery<Users>,
    base: &wire::Base,
    path: &str,
    is_here: impl Fn(&store::State, SpaceId) -> bool,
    org: Option<OrgId>,
) -> Listing {
    let state = api.actions.store.state();
    list_where(api, caller, query, base, path, |user| {
        state.roles_of_user(user.id).any(|role| match role.scope {
            RoleScope::Org(at) => Some(at) == org,
            RoleScope::Space(space) => is_here(&state, space),
        })
    })
}

fn list_where(
    api: &Api,
    caller: &Caller,
    query: &RawQuery<Users>,
    base: &wire::Base,
    path: &str,
    is_wanted: impl Fn(&User) -> bool,
) -> Listing {
    let query = query.parse()?;
    check(&query)?;
    let [names, origins] = ["usernames", "origins"].map(|key| query.filter(key));
    let parts = query.values("partial_usernames");
    let mut users = api.actions.users(caller);
    users.retain(|user| {
        // Who is but a guid has no name that could be asked for.
        let name = user.name().map_or("", |name| name);
        let lower = name.to_lowercase();
        names.passes_name(name)
            && origins.passes(&user.origin)
            && parts.as_ref().is_none_or(|parts| {
                parts
                    .iter()
                    .any(|part| lower.contains(&part.to_lowercase()))
            })
            && is_wanted(user)
    });
    arrange(&query, &mut users, &[])?;
    let page = paginate(&query, users)?;
    Ok(Json(page.list(base, path, &query, None, |item| {
        user::present(item, base)
    })))
}

/// Passes where the filters by name go together.
fn check(query: &Query) -> Result<(), wire::Error> {
    let given = |key| query.get(key).is_some();
    let what = if given("usernames") && given("partial_usernames") {
        "Usernames filter cannot be provided with both usernames and partial_usernames filter."
    } else if given("origins") && !given("usernames") && !given("partial_usernames") {
        "Origins filter cannot be provided without usernames or partial_usernames filter."
    } else {
        return Ok(());
    };
    Err(wire::Error::bad_query_parameter(format!(
        "The query parameter is invalid: {what}"
    )))
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<UserId>,
) -> Result<Json<Value>, Failure> {
    Ok(Json(user::present(&*api.actions.user(&caller, id)?, &base)))
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Body(body): Body<user::Create>,
) -> Result<Created, Failure> {
    let made = api.actions.create_user(&caller, body).await?;
    Ok(Created(user::present(&made, &base)))
}

async fn update(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<UserId>,
    Body(body): Body<user::Update>,
) -> Result<Json<Value>, Failure> {
    let changed = api.actions.update_user(&caller, id, body).await?;
    Ok(Json(user::present(&changed, &base)))
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<UserId>,
) -> Result<Accepted, Failure> {
    let job = api.actions.delete_user(&caller, id).await?;
    Ok(accepted(&base, &job))
}
