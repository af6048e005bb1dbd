//! `/v3/service_usage_events`.

use std::sync::Arc;

use serde_json::Value;

use super::resource::{Resource, View, list, show};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::openapi::{Router, get},
    model::{ServiceUsage, ServiceUsageId},
    wire::{Query, service_usage},
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/service_usage_events", get(list::<ServiceUsage>))
        .route("/service_usage_events/{guid}", get(show::<ServiceUsage>))
}

impl Resource for ServiceUsage {
    type Id = ServiceUsageId;
    const PATH: &'static str = "/v3/service_usage_events";
    const FILTERS: &'static [&'static str] = &[
        "after_guid",
        "service_instance_types",
        "service_offering_guids",
    ];
    const LABELS: bool = false;

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.service_usage(caller)
    }

    fn find(
        actions: &Actions,
        caller: &Caller,
        id: ServiceUsageId,
    ) -> Result<Arc<Self>, ActionError> {
        actions.one_service_usage(caller, id)
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [types, offerings] =
            ["service_instance_types", "service_offering_guids"].map(|key| query.filter(key));
        let after = query.get("after_guid").map(|guid| {
            let id: Option<ServiceUsageId> = guid.parse().ok();
            let found = id.and_then(|id| view.state.service_usage.get(&id));
            found.map(|usage| (usage.created_at, usage.id))
        });
        items.retain(|found| {
            let offering = found.offering.as_ref().map(|(guid, _)| guid);
            types.passes(&found.instance_type)
                && offerings.passes_maybe(offering)
                && after.is_none_or(|after| {
                    after.is_some_and(|after| (found.created_at, found.id) > after)
                })
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        service_usage::present(self, view.base)
    }
}
