//! `/v3/service_offerings`.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Map, Value};

use super::{
    include,
    plans::{Marketplace, offered_in},
    resource::{Answer, Listing, One, Resource, View, update, verbs},
};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::NoContent,
        extract::{Auth, Base, Id, RawQuery, parameters},
        openapi::{Router, get},
    },
    model::{Offering, OfferingId},
    wire::{Error, Order, Query, by_name, included, offering, package},
};

pub(super) fn router() -> Router {
    let one = get(show).patch(update::<Offering>).delete(delete);
    Router::new()
        .route("/service_offerings", get(list))
        .route("/service_offerings/{guid}", one)
}

parameters! {
    /// What a deletion takes.
    Purge(false): "purge";
}

impl Resource for Offering {
    type Id = OfferingId;
    const PATH: &'static str = "/v3/service_offerings";
    const FILTERS: &'static [&'static str] = &[
        "names",
        "available",
        "broker_catalog_ids",
        "service_broker_guids",
        "service_broker_names",
        "space_guids",
        "organization_guids",
    ];
    const FIELDS: &'static [(&'static str, &'static [&'static str])] =
        &[("service_broker", &["guid", "name"])];
    const ORDERS: &'static [Order<Self>] = &[by_name()];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.service_offerings(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: OfferingId) -> Result<Arc<Self>, ActionError> {
        actions.service_offering(caller, id)
    }

    fn check(query: &Query) -> Result<(), Error> {
        query.check_switches(&["available"])
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [names, ids, brokers, broker_names] = [
            "names",
            "broker_catalog_ids",
            "service_broker_guids",
            "service_broker_names",
        ]
        .map(|key| query.filter(key));
        let state = &view.state;
        items.retain(|found| {
            let broker = state.brokers.get(&found.broker);
            let available = query.get("available");
            names.passes(&found.terms.name)
                && ids.passes(&found.terms.id)
                && brokers.passes_id(found.broker)
                && broker.is_some_and(|broker| broker_names.passes(&broker.name))
                && available.is_none_or(|wanted| wanted == found.available.to_string())
                && state
                    .plans_of(found.id)
                    .any(|plan| offered_in(query, state, plan))
                    | (query.get("space_guids").is_none()
                        && query.get("organization_guids").is_none())
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        offering::present(self, view.base)
    }

    fn include(query: &Query, view: &View<'_>, items: &[Arc<Self>]) -> Option<Map<String, Value>> {
        let fields = query.values("fields[service_broker]")?;
        let brokers = items.iter().map(|found| found.broker);
        let brokers = include::brokers(&view.state, brokers, &fields);
        Some(included([("service_brokers", brokers)]))
    }
}

verbs!(Offering, update(package::Update): update_service_offering);

async fn list(
    State(api): State<Api>,
    Marketplace(caller): Marketplace,
    Base(base): Base,
    query: RawQuery<Offering>,
) -> Listing {
    let query = query.parse()?;
    let items = Offering::all(&api.actions, &caller, &query);
    View::new(&api, &caller, &base).page(&query, items, Offering::PATH)
}

async fn show(
    State(api): State<Api>,
    Marketplace(caller): Marketplace,
    Base(base): Base,
    Id(id): Id<OfferingId>,
    query: RawQuery<One<Offering>>,
) -> Answer {
    let query = query.parse()?;
    let found = api.actions.service_offering(&caller, id)?;
    let view = View::new(&api, &caller, &base);
    Ok(axum::Json(view.one(&query, &found)))
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<OfferingId>,
    query: RawQuery<Purge>,
) -> Result<NoContent, Failure> {
    let purge = query.parse()?.flag("purge");
    api.actions
        .delete_service_offering(&caller, id, purge)
        .await?;
    Ok(NoContent)
}
