//! What every Cloud Foundry has and is fixed here: the stack, the isolation
//! segment, feature flags, and lists that are empty.

use axum::{
    Json, Router,
    extract::{OriginalUri, Path, State},
    routing::get,
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    api::{
        Api, Failure,
        extract::{Auth, Base, Body, RawQuery},
    },
    wire::{self, Error, Query, paginate, platform},
};

/// Lists that are empty.
const EMPTY: [&str; 1] = ["/app_usage_events"];

/// What may be asked of lists of things that are not there.
const FILTERS: [&str; 30] = [
    "after_guid",
    "app_guids",
    "app_names",
    "available",
    "broker_catalog_ids",
    "fields",
    "globally_enabled_running",
    "globally_enabled_staging",
    "guids",
    "names",
    "organization_guids",
    "route_guids",
    "running_space_guids",
    "service_broker_guids",
    "service_broker_names",
    "service_instance_guids",
    "service_instance_names",
    "service_instance_types",
    "service_offering_guids",
    "service_offering_names",
    "service_plan_guids",
    "service_plan_names",
    "space_guids",
    "staging_space_guids",
    "type",
    "types",
    "states",
    "status_values",
    "purge",
    "unmapped",
];

pub(super) fn router() -> Router<Api> {
    let mut router = Router::new()
        .route("/isolation_segments", get(segments))
        .route("/isolation_segments/{guid}", get(segment))
        .route("/isolation_segments/{guid}/organizations", get(no_orgs))
        .route("/stacks", get(stacks))
        .route("/stacks/{guid}", get(stack))
        .route("/feature_flags", get(flags))
        .route("/feature_flags/{name}", get(flag).patch(set_flag))
        .route(
            "/environment_variable_groups/{name}",
            get(variables).patch(set_variables),
        );
    for path in EMPTY {
        router = router.route(path, get(empty));
    }
    router
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
    query: RawQuery,
    uri: OriginalUri,
) -> Result<Json<Value>, Failure> {
    page(Vec::new(), &query.parse(&FILTERS)?, &base, uri.path())
}

fn need(is_there: bool, what: &str) -> Result<(), Failure> {
    if is_there {
        Ok(())
    } else {
        Err(Error::not_found(what).into())
    }
}

async fn segments(_: Auth, Base(base): Base, query: RawQuery) -> Result<Json<Value>, Failure> {
    let query = query.parse(&["names", "guids", "organization_guids"])?;
    // Being in it needs no entitlement, so no organization is listed with it.
    let items = match query.get("organization_guids") {
        Some(_) => Vec::new(),
        None => vec![platform::isolation_segment(&base)],
    };
    page(items, &query, &base, "/v3/isolation_segments")
}

async fn segment(
    _: Auth,
    Base(base): Base,
    Path(guid): Path<String>,
) -> Result<Json<Value>, Failure> {
    need(guid == platform::ISOLATION_SEGMENT, "Isolation segment")?;
    Ok(Json(platform::isolation_segment(&base)))
}

async fn no_orgs(
    _: Auth,
    Base(base): Base,
    Path(guid): Path<String>,
    query: RawQuery,
    uri: OriginalUri,
) -> Result<Json<Value>, Failure> {
    need(guid == platform::ISOLATION_SEGMENT, "Isolation segment")?;
    page(
        Vec::new(),
        &query.parse(&["names", "guids"])?,
        &base,
        uri.path(),
    )
}

async fn stacks(_: Auth, Base(base): Base, query: RawQuery) -> Result<Json<Value>, Failure> {
    let query = query.parse(&["names", "guids", "default"])?;
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

async fn flags(
    State(api): State<Api>,
    _: Auth,
    Base(base): Base,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let all = platform::FEATURE_FLAGS
        .iter()
        .map(|(name, enabled)| platform::feature_flag(name, is_on(&api, name, *enabled), &base));
    page(
        all.collect(),
        &query.parse(&[])?,
        &base,
        "/v3/feature_flags",
    )
}

fn find_flag(api: &Api, name: &str) -> Result<(&'static str, bool), Failure> {
    let flag = platform::FEATURE_FLAGS
        .into_iter()
        .find(|(known, _)| *known == name);
    let (name, enabled) =
        flag.ok_or_else(|| Error::feature_flag_not_found("Feature flag not found"))?;
    Ok((name, is_on(api, name, enabled)))
}

/// Whether a flag is on: one of them is the operator's to set.
fn is_on(api: &Api, name: &str, usual: bool) -> bool {
    match name {
        "diego_docker" => api.actions.config.images,
        _ => usual,
    }
}

async fn flag(
    State(api): State<Api>,
    _: Auth,
    Base(base): Base,
    Path(name): Path<String>,
) -> Result<Json<Value>, Failure> {
    let (name, enabled) = find_flag(&api, &name)?;
    Ok(Json(platform::feature_flag(name, enabled, &base)))
}

/// Body of `PATCH /v3/feature_flags/:name`.
#[derive(Debug, Deserialize)]
struct FlagUpdate {
    enabled: bool,
}

async fn set_flag(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Path(name): Path<String>,
    Body(body): Body<FlagUpdate>,
) -> Result<Json<Value>, Failure> {
    caller.need_admin()?;
    let (name, enabled) = find_flag(&api, &name)?;
    if body.enabled != enabled {
        let is = if enabled { "enabled" } else { "disabled" };
        return Err(Error::unprocessable(format!(
            "The feature flag '{name}' is always {is} on this platform."
        ))
        .into());
    }
    Ok(Json(platform::feature_flag(name, enabled, &base)))
}

fn is_group(name: &str) -> bool {
    ["running", "staging"].contains(&name)
}

async fn variables(
    _: Auth,
    Base(base): Base,
    Path(name): Path<String>,
) -> Result<Json<Value>, Failure> {
    need(is_group(&name), "Environment variable group")?;
    Ok(Json(platform::environment_variable_group(&name, &base)))
}

/// Body of `PATCH /v3/environment_variable_groups/:name`.
#[derive(Debug, Deserialize)]
struct VariablesUpdate {
    #[serde(default)]
    var: serde_json::Map<String, Value>,
}

async fn set_variables(
    Auth(caller): Auth,
    Base(base): Base,
    Path(name): Path<String>,
    Body(body): Body<VariablesUpdate>,
) -> Result<Json<Value>, Failure> {
    need(is_group(&name), "Environment variable group")?;
    caller.need_admin()?;
    if body.var.values().any(|value| !value.is_null()) {
        return Err(Error::unprocessable(
            "Environment variable groups are always empty on this platform: set variables on \
             apps.",
        )
        .into());
    }
    Ok(Json(platform::environment_variable_group(&name, &base)))
}
