//! `/v3/tasks` and `/v3/apps/:guid/tasks`.

use std::sync::Arc;

use axum::extract::State;
use serde_json::Value;

use super::{
    place,
    resource::{Listing, Resource, View, list, show, update, verbs},
};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::Begun,
        extract::{Auth, Base, Body, Id, RawQuery, parameters},
        openapi::{Router, get, post, put},
    },
    authz::Verb,
    model::{AppId, Task, TaskId},
    wire::{Query, package, task},
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/tasks", get(list::<Task>))
        .route("/tasks/{guid}", get(show::<Task>).patch(update::<Task>))
        .route("/tasks/{guid}/cancel", put(cancel))
        .route("/tasks/{guid}/actions/cancel", post(cancel))
        .route("/apps/{guid}/tasks", get(list_of_app).post(create))
}

parameters! {
    /// What the list of an app's takes.
    OfApp(true): "names", "states", "sequence_ids";
}

impl Resource for Task {
    type Id = TaskId;
    const PATH: &'static str = "/v3/tasks";
    const FILTERS: &'static [&'static str] = &[
        "names",
        "states",
        "app_guids",
        "space_guids",
        "organization_guids",
    ];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.tasks(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: TaskId) -> Result<Arc<Self>, ActionError> {
        actions.task(caller, id)
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [names, states, sequences, apps] =
            ["names", "states", "sequence_ids", "app_guids"].map(|key| query.filter(key));
        let [spaces, orgs] = ["space_guids", "organization_guids"].map(|key| query.filter(key));
        items.retain(|found| {
            names.passes(&found.name)
                && states.passes(task::state(&found.state))
                && (sequences.is_open() || sequences.passes_id(found.sequence))
                && (apps.is_open() || apps.passes_id(found.app))
                && place::passes(&view.state, found.app, &spaces, &orgs)
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        let app = view.state.apps.get(&self.app);
        let open = app.is_some_and(|app| {
            view.caller
                .may_in_space(&view.state, Verb::ReadSecrets, app.space)
        });
        task::present(self, open, view.base)
    }
}

verbs!(Task, update(package::Update): update_task);

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
    let all = view.state.tasks_of(id);
    let all = all.filter_map(|found| view.state.tasks.get(&found.id).cloned());
    view.page(&query, all.collect(), &format!("/v3/apps/{id}/tasks"))
}

/// Both are accepted, and what becomes of them shows in the task.
type Accepted = Result<Begun, Failure>;

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<AppId>,
    Body(body): Body<task::Create>,
) -> Accepted {
    let made = api.actions.create_task(&caller, id, body).await?;
    let document = made.present(&View::new(&api, &caller, &base));
    Ok(Begun(document))
}

async fn cancel(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<TaskId>,
) -> Accepted {
    let task = api.actions.cancel_task(&caller, id).await?;
    let document = task.present(&View::new(&api, &caller, &base));
    Ok(Begun(document))
}
