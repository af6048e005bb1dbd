//! `/v3/app_usage_events`.

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
    model::{AppUsage, AppUsageId},
    wire::{Query, app_usage},
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/app_usage_events", get(list))
        .route("/app_usage_events/{guid}", get(show::<AppUsage>))
        .route(
            "/app_usage_events/actions/destructively_purge_all_and_reseed",
            post(reseed),
        )
}

impl Resource for AppUsage {
    type Id = AppUsageId;
    const PATH: &'static str = "/v3/app_usage_events";
    const FILTERS: &'static [&'static str] = &["after_guid"];
    const LABELS: bool = false;

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        // Without a guid to be after there is nothing to refuse.
        actions.app_usage(caller, None).unwrap_or_default()
    }

    fn find(actions: &Actions, caller: &Caller, id: Self::Id) -> Result<Arc<Self>, ActionError> {
        actions.one_app_usage(caller, id)
    }

    fn narrow(_: &Query, _: &View<'_>, _: &mut Vec<Arc<Self>>) {}

    fn present(&self, view: &View<'_>) -> Value {
        app_usage::present(self, view.base)
    }
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery<AppUsage>,
) -> Listing {
    let query = query.parse()?;
    let items = api.actions.app_usage(&caller, query.get("after_guid"))?;
    View::new(&api, &caller, &base).page(&query, items, AppUsage::PATH)
}

async fn reseed(State(api): State<Api>, Auth(caller): Auth) -> Result<Json<Value>, Failure> {
    api.actions.reseed_app_usage(&caller).await?;
    Ok(Json(json!({})))
}
