//! What is used of everything, and lists of what is fixed.

use axum::{Json, extract::State};
use serde_json::Value;

use super::resource::{Answer, Listing};
use crate::{
    api::{
        Api,
        extract::{Auth, Base},
        openapi::{Router, get},
    },
    wire::{self, Query, paginate},
};

pub(super) fn router() -> Router {
    Router::new().route("/info/usage_summary", get(usage))
}

/// A list of fixed resources, narrowed by `names` and `guids`.
pub(super) fn page(mut items: Vec<Value>, query: &Query, base: &wire::Base, path: &str) -> Listing {
    let [names, guids] = ["names", "guids"].map(|key| query.filter(key));
    items.retain(|item| {
        names.passes_name(item["name"].as_str().unwrap_or_default())
            && (guids.is_open() || guids.passes(item["guid"].as_str().unwrap_or_default()))
            // Nothing fixed has labels.
            && query.get("label_selector").is_none_or(|text| text.starts_with('!'))
    });
    let page = paginate(query, items)?;
    Ok(Json(page.list(base, path, query, None, Value::clone)))
}

async fn usage(State(api): State<Api>, Auth(caller): Auth, Base(base): Base) -> Answer {
    let used = api.actions.platform_usage(&caller)?;
    Ok(Json(wire::quota::usage_of_all(&used, &base)))
}
