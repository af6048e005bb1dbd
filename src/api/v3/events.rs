//! `/v3/audit_events`.

use std::sync::Arc;

use serde_json::Value;

use super::resource::{Resource, View, list, show};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::openapi::{Router, get},
    model::{Event, EventId},
    wire::{Error, Query, event},
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/audit_events", get(list::<Event>))
        .route("/audit_events/{guid}", get(show::<Event>))
}

impl Resource for Event {
    type Id = EventId;
    const PATH: &'static str = "/v3/audit_events";
    const FILTERS: &'static [&'static str] =
        &["types", "target_guids", "space_guids", "organization_guids"];
    const LABELS: bool = false;

    /// Those of the targets that are asked for: there are too many to look at all.
    fn all(actions: &Actions, caller: &Caller, query: &Query) -> Vec<Arc<Self>> {
        let targets = query.values("target_guids").map(|mut targets| {
            targets.sort_unstable();
            targets.dedup();
            targets
        });
        actions.events(caller, targets.as_deref())
    }

    fn find(actions: &Actions, caller: &Caller, id: EventId) -> Result<Arc<Self>, ActionError> {
        actions.event(caller, id)
    }

    fn check(query: &Query) -> Result<(), Error> {
        // Cloud Foundry, app/messages/validators.rb: `not` is the one operator.
        match query.only_operator("target_guids") {
            None | Some("" | "[not]") => Ok(()),
            Some(_) => Err(Error::bad_query_parameter(
                "The query parameter is invalid: Target guids target_guids has an invalid \
                 operator",
            )),
        }
    }

    fn narrow(query: &Query, _: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let others = query.values("target_guids[not]").unwrap_or_default();
        let [types, spaces, orgs] =
            ["types", "space_guids", "organization_guids"].map(|key| query.filter(key));
        items.retain(|event| {
            types.passes(&event.kind)
                && !others.contains(&event.target.guid)
                && spaces.passes_maybe(event.space)
                && orgs.passes_maybe(event.org)
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        event::present(self, view.base)
    }
}
