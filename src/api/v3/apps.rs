//! `/v3/apps`: apps themselves and their actions.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Map, Value};

use super::{
    include,
    resource::{Answer, Resource, View, create, delete, list, show, update, verbs},
};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::{Accepted, accepted},
        extract::{Auth, Base, Id},
        openapi::{Router, get, post},
    },
    model::{App, AppId},
    wire::{Error, Order, Query, app, by_name, included, platform::STACK_NAME},
};

pub(super) fn router() -> Router {
    let one = get(show::<App>).patch(update::<App>);
    Router::new()
        .route("/apps", get(list::<App>).post(create::<App>))
        .route("/apps/{guid}", one.delete(delete::<App>))
        .route("/apps/{guid}/actions/start", post(start))
        .route("/apps/{guid}/actions/stop", post(stop))
        .route("/apps/{guid}/actions/restart", post(restart))
        .route("/apps/{guid}/actions/clear_buildpack_cache", post(clear))
        .route("/admin/actions/clear_buildpack_cache", post(clear_all))
}

impl Resource for App {
    type Id = AppId;
    const PATH: &'static str = "/v3/apps";
    const FILTERS: &'static [&'static str] = &[
        "names",
        "space_guids",
        "organization_guids",
        "stacks",
        "lifecycle_type",
    ];
    const INCLUDES: &'static [&'static str] = &["space", "org", "space.organization"];
    const ORDERS: &'static [Order<Self>] = &[
        by_name(),
        ("state", |a, b| app::state(a.state).cmp(app::state(b.state))),
    ];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.apps(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: AppId) -> Result<Arc<Self>, ActionError> {
        actions.app(caller, id)
    }

    fn check(query: &Query) -> Result<(), Error> {
        match query.get("lifecycle_type") {
            None | Some("buildpack" | "cnb" | "docker") => Ok(()),
            Some(other) => Err(Error::bad_query_parameter(format!(
                "The query parameter is invalid: Invalid lifecycle_type: '{other}'"
            ))),
        }
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [names, spaces, orgs] =
            ["names", "space_guids", "organization_guids"].map(|key| query.filter(key));
        let [stacks, kinds] = ["stacks", "lifecycle_type"].map(|key| query.filter(key));
        items.retain(|app| {
            let org = view.state.spaces.get(&app.space).map(|space| space.org);
            let stack = app.lifecycle.stack.as_deref();
            names.passes_name(&app.name)
                && (spaces.is_open() || spaces.passes_id(app.space))
                && orgs.passes_maybe(org)
                && stacks.passes(stack.unwrap_or(STACK_NAME))
                && kinds.passes(app::lifecycle_kind(app.lifecycle.kind))
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        app::present(self, view.base)
    }

    fn include(query: &Query, view: &View<'_>, items: &[Arc<Self>]) -> Option<Map<String, Value>> {
        query.get("include")?;
        let spaces = || items.iter().map(|app| app.space);
        let mut parts = Vec::new();
        // Both words ask for the organization by way of the space.
        let wants_orgs = ["space.organization", "org"]
            .iter()
            .any(|name| query.names("include", name));
        if wants_orgs || query.names("include", "space") {
            parts.push(("spaces", include::spaces(&view.state, spaces(), view.base)));
        }
        if wants_orgs {
            let orgs = spaces().filter_map(|space| Some(view.state.spaces.get(&space)?.org));
            let orgs = include::organizations(&view.state, orgs, view.base);
            parts.push(("organizations", orgs));
        }
        Some(included(parts))
    }
}

verbs!(App, create(app::Create): create_app, update(app::Update): update_app, delete: delete_app);

async fn start(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
) -> Answer {
    let app = api.actions.start_app(&caller, id).await?;
    Ok(Json(app::present(&app, &base)))
}

async fn stop(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
) -> Answer {
    let app = api.actions.stop_app(&caller, id).await?;
    Ok(Json(app::present(&app, &base)))
}

async fn restart(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
) -> Answer {
    let app = api.actions.restart_app(&caller, id).await?;
    Ok(Json(app::present(&app, &base)))
}

async fn clear(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
) -> Result<Accepted, Failure> {
    let job = api.actions.clear_build_cache(&caller, id).await?;
    Ok(accepted(&base, &job))
}

async fn clear_all(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
) -> Result<Accepted, Failure> {
    let job = api.actions.clear_build_caches(&caller).await?;
    Ok(accepted(&base, &job))
}
