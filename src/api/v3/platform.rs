//! What every Cloud Foundry has and is fixed here: the stack, and lists that are empty.

use axum::{
    Json,
    extract::{OriginalUri, Path, State},
};
use serde_json::Value;

use super::resource::{Answer, View};
use crate::{
    api::{
        Api, Failure,
        extract::{Auth, Base, RawQuery, parameters},
        openapi::{Router, get},
    },
    model::{App, LifecycleKind},
    wire::{self, Error, Query, paginate, platform},
};

/// Lists that are empty.
const EMPTY: [&str; 1] = ["/app_usage_events"];

pub(super) fn router() -> Router {
    let mut router = Router::new()
        .route("/stacks", get(stacks))
        .route("/stacks/{guid}", get(stack))
        .route("/stacks/{guid}/apps", get(apps_of_stack))
        .route("/info/usage_summary", get(usage));
    for path in EMPTY {
        router = router.route(path, get(empty));
    }
    router
}

parameters! {
    /// What may be asked of lists of things that are not there.
    Empty(true): "after_guid", "app_guids", "app_names", "available", "broker_catalog_ids", "fields", "globally_enabled_running", "globally_enabled_staging", "guids", "names", "organization_guids", "route_guids", "running_space_guids", "service_broker_guids", "service_broker_names", "service_instance_guids", "service_instance_names", "service_instance_types", "service_offering_guids", "service_offering_names", "service_plan_guids", "service_plan_names", "space_guids", "staging_space_guids", "type", "types", "states", "status_values", "purge", "unmapped";

    /// What the list of stacks takes.
    Stacks(true): "names", "guids", "default";
}

/// A list of fixed resources, narrowed by `names` and `guids`.
pub(super) fn page(
    mut items: Vec<Value>,
    query: &Query,
    base: &wire::Base,
    path: &str,
) -> Result<Json<Value>, Failure> {
    let [names, guids] = ["names", "guids"].map(|key| query.filter(key));
    items.retain(|item| {
        names.passes_name(item["name"].as_str().unwrap_or_default())
            && (guids.is_open() || guids.passes(item["guid"].as_str().unwrap_or_default()))
            // Nothing fixed has labels.
            && query.get("label_selector").is_none_or(|text| text.starts_with('!'))
    });
    let page = paginate(query, items)?;
    Ok(Json(page.json(base, path, query, None, Value::clone)))
}

async fn empty(
    _: Auth,
    Base(base): Base,
    query: RawQuery<Empty>,
    uri: OriginalUri,
) -> Result<Json<Value>, Failure> {
    page(Vec::new(), &query.parse()?, &base, uri.path())
}

fn need(is_there: bool, what: &str) -> Result<(), Failure> {
    if is_there {
        Ok(())
    } else {
        Err(Error::not_found(what).into())
    }
}

/// Every app is on the one stack; images are on none.
async fn apps_of_stack(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Path(guid): Path<String>,
    query: RawQuery<App>,
) -> Answer {
    need(guid == platform::STACK, "Stack")?;
    let query = query.parse()?;
    let mut apps = api.actions.apps(&caller);
    apps.retain(|app| app.lifecycle.kind == LifecycleKind::Buildpack);
    let path = format!("/v3/stacks/{guid}/apps");
    View::new(&api, &caller, &base).page(&query, apps, &path)
}

async fn usage(State(api): State<Api>, Auth(caller): Auth, Base(base): Base) -> Answer {
    let used = api.actions.platform_usage(&caller)?;
    Ok(Json(wire::quota::usage_of_all(&used, &base)))
}

async fn stacks(
    _: Auth,
    Base(base): Base,
    query: RawQuery<Stacks>,
) -> Result<Json<Value>, Failure> {
    let query = query.parse()?;
    page(vec![platform::stack(&base)], &query, &base, "/v3/stacks")
}

async fn stack(
    _: Auth,
    Base(base): Base,
    Path(guid): Path<String>,
) -> Result<Json<Value>, Failure> {
    need(guid == platform::STACK, "Stack")?;
    Ok(Json(platform::stack(&base)))
}
