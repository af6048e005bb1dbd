//! `/v3/buildpacks`: those of the operator, and among them the runtimes, for reading.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::Value;

use super::{resource::Listing, upload::one_file};
use crate::{
    api::{
        Api, Failure,
        answer::{Accepted, Created, Underway, accepted},
        extract::{Auth, Base, Body, Id, RawQuery, parameters},
        openapi::{Router, get, post},
        raw::Multipart,
    },
    model::{Buildpack, BuildpackId, Timestamp, free_places},
    wire::{self, Query, Selector, buildpack, paginate, platform::STACK_NAME},
};

pub(super) fn router() -> Router {
    let one = get(show).patch(update).delete(delete);
    Router::new()
        .route("/buildpacks", get(list).post(create))
        .route("/buildpacks/{guid}", one)
        .route("/buildpacks/{guid}/upload", post(receive))
}

parameters! {
    /// What the list takes.
    All(true): "names", "stacks", "lifecycle";
}

/// What is in the list.
enum Entry {
    Own(Arc<Buildpack>),
    /// The runtime of this name: its number among the runtimes, and its position, from 1.
    Runtime {
        name: String,
        number: usize,
        position: u32,
    },
}

impl Entry {
    fn position(&self) -> u32 {
        match self {
            Self::Own(own) => own.position,
            Self::Runtime { position, .. } => *position,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Own(own) => &own.name,
            Self::Runtime { name, .. } => name,
        }
    }

    fn stack(&self) -> &str {
        match self {
            Self::Own(own) => own.stack.as_deref().unwrap_or_default(),
            Self::Runtime { .. } => STACK_NAME,
        }
    }

    /// What comes with the platform was always there.
    fn created_at(&self) -> Timestamp {
        match self {
            Self::Own(own) => own.created_at,
            Self::Runtime { .. } => Timestamp::default(),
        }
    }

    fn updated_at(&self) -> Timestamp {
        match self {
            Self::Own(own) => own.updated_at,
            Self::Runtime { .. } => Timestamp::default(),
        }
    }

    fn guid(&self) -> String {
        match self {
            Self::Own(own) => own.id.to_string(),
            Self::Runtime { number, .. } => buildpack::runtime_guid(*number).to_string(),
        }
    }

    fn present(&self, base: &wire::Base) -> Value {
        match self {
            Self::Own(own) => buildpack::present(own, base),
            Self::Runtime {
                name,
                number,
                position,
            } => buildpack::present_runtime(name, *number, *position, base),
        }
    }
}

/// The operator's, and in the places that they leave the runtimes, but those whose name the
/// operator has taken.
fn all(api: &Api) -> Vec<Entry> {
    let own = api.actions.buildpacks();
    let catalog = api.actions.catalog();
    let names = catalog.buildpacks().map(str::to_owned).enumerate();
    let free = names.filter(|(_, name)| !own.iter().any(|own| own.is_called(name)));
    let taken: Vec<_> = own.iter().map(|own| own.position).collect();
    let runtimes = free.zip(free_places(&taken)).map(|((at, name), position)| {
        let number = at + 1;
        Entry::Runtime {
            name,
            number,
            position,
        }
    });
    let mut all: Vec<_> = runtimes.collect();
    all.extend(own.into_iter().map(Entry::Own));
    all.sort_by_key(Entry::position);
    all
}

async fn list(
    State(api): State<Api>,
    Auth(_): Auth,
    Base(base): Base,
    query: RawQuery<All>,
) -> Listing {
    let query = query.parse()?;
    query.check_one_of("lifecycle", &["buildpack", "cnb"])?;
    let selector = match query.get("label_selector") {
        Some(text) => Some(Selector::parse(text)?),
        None => None,
    };
    let mut found = all(&api);
    let guids = query.filter("guids");
    found.retain(|entry| {
        let labels = match entry {
            Entry::Own(own) => own.metadata.labels.clone(),
            Entry::Runtime { .. } => std::collections::BTreeMap::default(),
        };
        guids.passes(&entry.guid())
            && query.selects("names", entry.name())
            && query.selects("stacks", entry.stack())
            && query.selects("lifecycle", "buildpack")
            && selector
                .as_ref()
                .is_none_or(|selector| selector.selects(&labels))
    });
    order(&query, &mut found)?;
    let page = paginate(&query, found)?;
    let document = page.list(&base, "/v3/buildpacks", &query, None, |entry| {
        entry.present(&base)
    });
    Ok(Json(document))
}

/// Puts buildpacks in the order that is asked for: by their position where nothing is said.
fn order(query: &Query, found: &mut [Entry]) -> Result<(), wire::Error> {
    let order = query.get("order_by").unwrap_or("position");
    match order.trim_start_matches(['-', '+']) {
        "position" | "lifecycle" => {}
        "created_at" => found.sort_by_key(Entry::created_at),
        "updated_at" => found.sort_by_key(Entry::updated_at),
        _ => {
            return Err(wire::Error::bad_query_parameter(
                "The query parameter is invalid: Order by can only be: 'created_at', \
                 'updated_at', 'position', 'lifecycle'",
            ));
        }
    }
    if order.starts_with('-') {
        found.reverse();
    }
    Ok(())
}

async fn show(
    State(api): State<Api>,
    Auth(_): Auth,
    Base(base): Base,
    Path(guid): Path<String>,
) -> Result<Json<Value>, Failure> {
    let found = all(&api).into_iter().find(|entry| entry.guid() == guid);
    let entry = found.ok_or_else(|| wire::Error::not_found("Buildpack"))?;
    Ok(Json(entry.present(&base)))
}

/// The operator's own with this guid; a runtime is not to be changed here.
fn own(api: &Api, guid: &str) -> Result<BuildpackId, Failure> {
    match all(api).into_iter().find(|entry| entry.guid() == guid) {
        Some(Entry::Own(own)) => Ok(own.id),
        Some(Entry::Runtime { name, .. }) => Err(wire::Error::unprocessable(format!(
            "{name} is a runtime of the platform: it is changed by a file in the operator's folder of \
             runtimes, and a buildpack of the same name takes its place"
        ))
        .into()),
        None => Err(wire::Error::not_found("Buildpack").into()),
    }
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Body(body): Body<buildpack::Create>,
) -> Result<Created, Failure> {
    let made = api.actions.create_buildpack(&caller, body).await?;
    Ok(Created(buildpack::present(&made, &base)))
}

async fn update(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Path(guid): Path<String>,
    Body(body): Body<buildpack::Update>,
) -> Result<Json<Value>, Failure> {
    let id = own(&api, &guid)?;
    let changed = api.actions.update_buildpack(&caller, id, body).await?;
    Ok(Json(buildpack::present(&changed, &base)))
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Path(guid): Path<String>,
) -> Result<Accepted, Failure> {
    let id = own(&api, &guid)?;
    let job = api.actions.delete_buildpack(&caller, id).await?;
    Ok(accepted(&base, &job))
}

/// `POST /v3/buildpacks/:guid/upload`.
async fn receive(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<BuildpackId>,
    upload: Multipart,
) -> Result<Underway, Failure> {
    api.actions.check_buildpack_upload(&caller, id)?;
    let (bits, filename) = one_file(&api.actions, upload).await?;
    let done = api
        .actions
        .finish_buildpack_upload(&caller, id, bits, filename);
    let (changed, job) = done.await?;
    let document = buildpack::present(&changed, &base);
    Ok(Underway(accepted(&base, &job), document))
}
