//! `/v3/service_usage_events`.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::resource::{Listing, Resource, View, show};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        extract::{Auth, Base, RawQuery},
        openapi::{Router, get, post},
    },
    model::{ServiceUsage, ServiceUsageId},
    wire::{Query, service_usage},
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/service_usage_events", get(list))
        .route("/service_usage_events/{guid}", get(show::<ServiceUsage>))
        .route(
            "/service_usage_events/actions/destructively_purge_all_and_reseed",
            post(reseed),
        )
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
        // Without a guid to be after there is nothing to refuse.
        actions.service_usage(caller, None).unwrap_or_default()
    }

    fn find(
        actions: &Actions,
        caller: &Caller,
        id: ServiceUsageId,
    ) -> Result<Arc<Self>, ActionError> {
        actions.one_service_usage(caller, id)
    }

    fn narrow(query: &Query, _: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [types, offerings] =
            ["service_instance_types", "service_offering_guids"].map(|key| query.filter(key));
        items.retain(|found| {
            let offering = found.offering.as_ref().map(|(guid, _)| guid);
            types.passes(&found.instance_type) && offerings.passes_maybe(offering)
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        service_usage::present(self, view.base)
    }
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery<ServiceUsage>,
) -> Listing {
    let query = query.parse()?;
    let items = api
        .actions
        .service_usage(&caller, query.get("after_guid"))?;
    View::new(&api, &caller, &base).page(&query, items, ServiceUsage::PATH)
}

async fn reseed(State(api): State<Api>, Auth(caller): Auth) -> Result<Json<Value>, Failure> {
    api.actions.reseed_service_usage(&caller).await?;
    Ok(Json(json!({})))
}
