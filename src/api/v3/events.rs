//! `/v3/audit_events`.

use axum::{Json, Router, extract::State, routing::get};
use serde_json::Value;

use crate::{
    api::{
        Api, Failure,
        extract::{Auth, Base, Id, RawQuery},
    },
    model::EventId,
    wire::{arrange, event, paginate},
};

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/audit_events", get(list))
        .route("/audit_events/{guid}", get(show))
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = query.parse(&[
        "guids",
        "types",
        "target_guids",
        "space_guids",
        "organization_guids",
    ])?;
    query.check_include(&[])?;
    let types = query.filter("types");
    let targets = query.values("target_guids").map(|mut targets| {
        targets.sort_unstable();
        targets.dedup();
        targets
    });
    let [spaces, orgs] = ["space_guids", "organization_guids"].map(|key| query.filter(key));
    let mut events = api.actions.events(&caller, targets.as_deref());
    events.retain(|event| {
        types.passes(&event.kind)
            && spaces.passes_maybe(event.space)
            && orgs.passes_maybe(event.org)
    });
    arrange(&query, &mut events)?;
    let page = paginate(&query, events)?;
    let document = page.json(&base, "/v3/audit_events", &query, None, |item| {
        event::present(item, &base)
    });
    Ok(Json(document))
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<EventId>,
) -> Result<Json<Value>, Failure> {
    Ok(Json(event::present(
        &*api.actions.event(&caller, id)?,
        &base,
    )))
}
