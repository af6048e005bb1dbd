//! `/v3/droplets`.

use std::sync::Arc;

use axum::extract::State;
use serde_json::Value;

use super::{
    place,
    resource::{Listing, Resource, View, delete, list, show, update, verbs},
    upload,
};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::Created,
        extract::{Auth, Base, Body, Id, RawQuery, parameters},
        openapi::{Router, get, post},
    },
    model::{AppId, Droplet, DropletId},
    wire::{Query, droplet, package},
};

pub(super) fn router() -> Router {
    let one = get(show::<Droplet>).patch(update::<Droplet>);
    Router::new()
        .route("/droplets", get(list::<Droplet>).post(create))
        .route("/droplets/{guid}/upload", post(upload::droplet))
        .route("/droplets/{guid}", one.delete(delete::<Droplet>))
        .route("/droplets/{guid}/download", get(super::download::droplet))
        .route("/apps/{guid}/droplets", get(list_of_app))
}

parameters! {
    /// What the list of an app's takes.
    OfApp(true): "states", "current";

    /// What is copied.
    Source(false): "source_guid";
}

impl Resource for Droplet {
    type Id = DropletId;
    const PATH: &'static str = "/v3/droplets";
    const FILTERS: &'static [&'static str] =
        &["states", "app_guids", "space_guids", "organization_guids"];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.droplets(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: DropletId) -> Result<Arc<Self>, ActionError> {
        actions.droplet(caller, id)
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [states, apps] = ["states", "app_guids"].map(|key| query.filter(key));
        let [spaces, orgs] = ["space_guids", "organization_guids"].map(|key| query.filter(key));
        items.retain(|found| {
            states.passes(droplet::state(&found.state))
                && (apps.is_open() || apps.passes_id(found.app))
                && place::passes(&view.state, found.app, &spaces, &orgs)
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        droplet::present(self, view.base)
    }
}

verbs!(Droplet, update(package::Update): update_droplet, delete: delete_droplet);

async fn list_of_app(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery<OfApp>,
) -> Listing {
    let query = query.parse()?;
    let app = api.actions.app(&caller, id)?;
    let view = View::new(&api, &caller, &base);
    let all = view.state.droplets_of(id);
    let all = all
        .filter(|found| !query.flag("current") || app.current_droplet == Some(found.id))
        .filter_map(|found| view.state.droplets.get(&found.id).cloned());
    view.page(&query, all.collect(), &format!("/v3/apps/{id}/droplets"))
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery<Source>,
    Body(body): Body<droplet::Create>,
) -> Result<Created, Failure> {
    let query = query.parse()?;
    let made = match query.get("source_guid") {
        Some(source) => api.actions.copy_droplet(&caller, source, body).await?,
        None => api.actions.create_droplet(&caller, body).await?,
    };
    Ok(Created(droplet::present(&made, &base)))
}
