//! `/v3/processes` and `/v3/apps/:guid/processes`.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::request::Parts,
};
use serde_json::Value;

use super::resource::Listing;
use crate::{
    actions::Caller,
    api::{
        Api, Failure,
        answer::{Begun, NoContent},
        extract::{Auth, Base, Body, Id, RawQuery, parameters},
        openapi::{Operation, Router, Security, Takes, delete, get, post},
    },
    authz::Verb,
    model::{App, AppId, InstanceRestart, Process, ProcessId},
    wire::{self, Query, arrange, paginate, process, stats},
};

/// What a process is shown with, where one asks.
const EMBEDDED: [&str; 1] = ["process_instances"];

pub(super) fn router() -> Router {
    // A process goes by its own guid, or by its app's and its type.
    const PLACES: [&str; 2] = ["/processes/{guid}", "/apps/{guid}/processes/{type}"];
    let mut router = Router::new()
        .route("/processes", get(list))
        .route("/apps/{guid}/processes", get(list_of_app));
    for place in PLACES {
        router = router
            .route(place, get(show).patch(update))
            .route(&format!("{place}/actions/scale"), post(scale))
            .route(&format!("{place}/stats"), get(show_stats))
            .route(&format!("{place}/process_instances"), get(instances))
            .route(&format!("{place}/instances/{{index}}"), delete(restart))
            .route(
                &format!("{place}/sidecars"),
                get(super::sidecars::list_of_process),
            );
    }
    router
}

parameters! {
    /// What the list takes.
    All(true): "types", "app_guids", "space_guids", "organization_guids", "embed";

    /// What the list of an app's takes.
    OfApp(true): "types", "embed";

    /// What one takes.
    One(false): "embed";
}

/// The process that a path is about, and who asks.
#[derive(Debug)]
pub(super) struct Target {
    /// Who asks.
    pub(super) caller: Caller,
    /// The process; that it may be seen is not yet checked.
    pub(super) id: ProcessId,
    /// The instance in the path, where there is one.
    index: Option<String>,
}

impl FromRequestParts<Api> for Target {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let Auth(caller) = Auth::from_request_parts(parts, api).await?;
        let Path(mut path) = Path::<HashMap<String, String>>::from_request_parts(parts, api)
            .await
            .map_err(|_| wire::Error::unknown_request("Unknown request"))?;
        let guid = path.remove("guid").unwrap_or_default();
        let id = match path.get("type") {
            Some(kind) => {
                let app = guid.parse().map_err(|_| wire::Error::not_found("App"))?;
                api.actions.process_of_type(&caller, app, kind)?
            }
            None => guid
                .parse()
                .map_err(|_| wire::Error::not_found("Process"))?,
        };
        Ok(Self {
            caller,
            id,
            index: path.remove("index"),
        })
    }
}

impl Takes for Target {
    fn describe(operation: &mut Operation) {
        operation.secure(Security::Bearer);
    }
}

/// The process as `caller` may see it: commands may hold secrets.
fn present(api: &Api, caller: &Caller, found: &Process, base: &wire::Base) -> Value {
    let state = api.actions.store.state();
    let app = state.apps.get(&found.app);
    let open = app.is_some_and(|app| caller.may_in_space(&state, Verb::ReadSecrets, app.space));
    if !open {
        return process::present(found, Some("[PRIVATE DATA HIDDEN]"), base);
    }
    let droplet = app
        .and_then(|app| app.current_droplet)
        .and_then(|droplet| state.droplets.get(&droplet));
    let command = found
        .command
        .as_ref()
        .or_else(|| droplet?.process_types.get(&found.process_type));
    process::present(found, command.map(String::as_str), base)
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery<All>,
) -> Listing {
    let query = query.parse()?;
    let all = api.actions.processes(&caller);
    page(&api, &caller, &base, &query, all, "/v3/processes")
}

async fn list_of_app(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery<OfApp>,
) -> Listing {
    let query = query.parse()?;
    api.actions.app(&caller, id)?;
    let state = api.actions.store.state();
    let all = state
        .processes_of(id)
        .filter_map(|process| state.processes.get(&process.id).cloned())
        .collect();
    let path = format!("/v3/apps/{id}/processes");
    page(&api, &caller, &base, &query, all, &path)
}

fn page(
    api: &Api,
    caller: &Caller,
    base: &wire::Base,
    query: &Query,
    mut all: Vec<Arc<Process>>,
    path: &str,
) -> Listing {
    query.check_names("embed", "embedded", &EMBEDDED)?;
    let state = api.actions.store.state();
    let (types, apps) = (query.filter("types"), query.filter("app_guids"));
    let (spaces, orgs) = (
        query.filter("space_guids"),
        query.filter("organization_guids"),
    );
    all.retain(|process| {
        types.passes(&process.process_type)
            && (apps.is_open() || apps.passes_id(process.app))
            && super::place::passes(&state, process.app, &spaces, &orgs)
    });
    arrange(query, &mut all, &[])?;
    let embed = query.names("embed", "process_instances");
    let observed = api.observed.borrow().clone();
    let now = api.actions.now();
    let document = paginate(query, all)?.list(base, path, query, None, |found| {
        let mut document = present(api, caller, found, base);
        if embed && let Some(app) = state.apps.get(&found.app) {
            let slots = observed.processes.get(&found.id);
            document["process_instances"] =
                stats::instances(app, found, slots.map_or(&[], Vec::as_slice), now);
        }
        document
    });
    Ok(Json(document))
}

async fn show(
    State(api): State<Api>,
    Base(base): Base,
    target: Target,
    query: RawQuery<One>,
) -> Result<Json<Value>, Failure> {
    let query = query.parse()?;
    query.check_names("embed", "embedded", &EMBEDDED)?;
    let (app, found) = api.actions.process(&target.caller, target.id)?;
    let mut document = present(&api, &target.caller, &found, &base);
    if query.names("embed", "process_instances") {
        let observed = api.observed.borrow().clone();
        let slots = observed.processes.get(&found.id);
        document["process_instances"] = stats::instances(
            &app,
            &found,
            slots.map_or(&[], Vec::as_slice),
            api.actions.now(),
        );
    }
    Ok(Json(document))
}

async fn update(
    State(api): State<Api>,
    Base(base): Base,
    target: Target,
    Body(body): Body<process::Update>,
) -> Result<Json<Value>, Failure> {
    let changed = api
        .actions
        .update_process(&target.caller, target.id, body)
        .await?;
    Ok(Json(present(&api, &target.caller, &changed, &base)))
}

async fn scale(
    State(api): State<Api>,
    Base(base): Base,
    target: Target,
    Body(body): Body<process::Scale>,
) -> Result<Begun, Failure> {
    let changed = api
        .actions
        .scale_process(&target.caller, target.id, body)
        .await?;
    let document = present(&api, &target.caller, &changed, &base);
    Ok(Begun(document))
}

/// A process with what presenters of its instances need.
fn seen(api: &Api, target: &Target) -> Result<(Arc<App>, Arc<Process>), Failure> {
    Ok(api.actions.process(&target.caller, target.id)?)
}

async fn show_stats(
    State(api): State<Api>,
    Base(base): Base,
    target: Target,
) -> Result<Json<Value>, Failure> {
    let (app, found) = seen(&api, &target)?;
    let observed = api.observed.borrow().clone();
    let slots = observed.processes.get(&found.id);
    Ok(Json(stats::present(
        &app,
        &found,
        slots.map_or(&[], Vec::as_slice),
        base.host(),
        api.actions.now(),
    )))
}

async fn instances(
    State(api): State<Api>,
    Base(base): Base,
    target: Target,
) -> Result<Json<Value>, Failure> {
    let (app, found) = seen(&api, &target)?;
    let observed = api.observed.borrow().clone();
    let slots = observed.processes.get(&found.id);
    let slots = slots.map_or(&[][..], Vec::as_slice);
    let path = format!("/v3/processes/{}/process_instances", found.id);
    Ok(Json(serde_json::json!({
        "resources": stats::instances(&app, &found, slots, api.actions.now()),
        "links": wire::Links::new(&base).to("self", &path).json(),
    })))
}

async fn restart(State(api): State<Api>, target: Target) -> Result<NoContent, Failure> {
    let index = target
        .index
        .as_deref()
        .and_then(|index| index.parse().ok())
        .ok_or_else(|| wire::Error::not_found("Instance"))?;
    // A full queue means that the reconciler is behind by hundreds of such wishes.
    let place = api.restarts.reserve().await.map_err(|_| {
        wire::Error::unavailable("The platform is shutting down. Try again in a moment.")
    })?;
    api.actions
        .note_instance_restart(&target.caller, target.id, index)
        .await?;
    place.send(InstanceRestart {
        process: target.id,
        index,
    });
    Ok(NoContent)
}
