//! `/v3/builds`.

use std::sync::Arc;

use axum::extract::State;
use serde_json::Value;

use super::{
    place,
    resource::{Listing, Resource, View, create, list, show, update, verbs},
};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api,
        extract::{Auth, Base, Id, RawQuery, parameters},
        openapi::{Router, get},
    },
    model::{AppId, Build, BuildId},
    wire::{Query, build, package},
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/builds", get(list::<Build>).post(create::<Build>))
        .route("/builds/{guid}", get(show::<Build>).patch(update::<Build>))
        .route("/apps/{guid}/builds", get(list_of_app))
}

parameters! {
    /// What the list of an app's takes.
    OfApp(true): "states";
}

impl Resource for Build {
    type Id = BuildId;
    const PATH: &'static str = "/v3/builds";
    const FILTERS: &'static [&'static str] = &[
        "states",
        "app_guids",
        "package_guids",
        "space_guids",
        "organization_guids",
    ];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.builds(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: BuildId) -> Result<Arc<Self>, ActionError> {
        actions.build(caller, id)
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [states, apps, packages] =
            ["states", "app_guids", "package_guids"].map(|key| query.filter(key));
        let [spaces, orgs] = ["space_guids", "organization_guids"].map(|key| query.filter(key));
        items.retain(|found| {
            states.passes(build::state(&found.state))
                && (apps.is_open() || apps.passes_id(found.app))
                && (packages.is_open() || packages.passes_id(found.package))
                && place::passes(&view.state, found.app, &spaces, &orgs)
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        build::present(self, view.base)
    }
}

verbs!(Build, create(build::Create): create_build, update(package::Update): update_build);

async fn list_of_app(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    query: RawQuery<OfApp>,
) -> Listing {
    let query = query.parse()?;
    api.actions.app(&caller, id)?;
    let view = View::new(&api, &caller, &base);
    let all = view.state.builds_of(id);
    let all = all.filter_map(|found| view.state.builds.get(&found.id).cloned());
    view.page(&query, all.collect(), &format!("/v3/apps/{id}/builds"))
}
