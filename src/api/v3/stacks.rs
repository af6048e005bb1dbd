//! `/v3/stacks`.

use std::sync::Arc;

use axum::extract::State;
use serde_json::Value;

use super::resource::{Listing, Resource, View, create, list, show, update, verbs};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::NoContent,
        extract::{Auth, Base, Id, RawQuery},
        openapi::{Router, get},
    },
    model::{App, LifecycleKind, Stack, StackId},
    wire::{
        Error, Order, Query, by_name,
        platform::STACK_NAME,
        stack::{self, Create, Update},
    },
};

pub(super) fn router() -> Router {
    let one = get(show::<Stack>).patch(update::<Stack>).delete(delete);
    Router::new()
        .route("/stacks", get(list::<Stack>).post(create::<Stack>))
        .route("/stacks/{guid}", one)
        .route("/stacks/{guid}/apps", get(apps))
}

impl Resource for Stack {
    type Id = StackId;
    const PATH: &'static str = "/v3/stacks";
    const FILTERS: &'static [&'static str] = &["names", "default"];
    const ORDERS: &'static [Order<Self>] = &[by_name()];

    /// Everybody sees them.
    fn all(actions: &Actions, _: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.stacks()
    }

    fn find(actions: &Actions, _: &Caller, id: StackId) -> Result<Arc<Self>, ActionError> {
        actions.stack(id)
    }

    fn check(query: &Query) -> Result<(), Error> {
        query.check_switches(&["default"])
    }

    fn narrow(query: &Query, _: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let (names, default) = (query.filter("names"), query.get("default"));
        items.retain(|found| {
            let is_default = found.name == STACK_NAME;
            names.passes(&found.name)
                && default.is_none_or(|wanted| wanted == is_default.to_string())
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        stack::present(self, view.base)
    }
}

verbs!(Stack, create(Create): create_stack, update(Update): update_stack);

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<StackId>,
) -> Result<NoContent, Failure> {
    api.actions.delete_stack(&caller, id).await?;
    Ok(NoContent)
}

/// The apps on a stack; images are on none.
async fn apps(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<StackId>,
    query: RawQuery<App>,
) -> Listing {
    let stack = api.actions.stack(id)?;
    let query = query.parse()?;
    let mut apps = api.actions.apps(&caller);
    apps.retain(|app| {
        app.lifecycle.kind != LifecycleKind::Docker
            && app.lifecycle.stack.as_deref().unwrap_or(STACK_NAME) == stack.name
    });
    let path = format!("/v3/stacks/{id}/apps");
    View::new(&api, &caller, &base).page(&query, apps, &path)
}
