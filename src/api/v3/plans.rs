//! `/v3/service_plans` and who sees them.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::{header, request::Parts},
};
use serde_json::{Map, Value};

use super::{
    include,
    resource::{Answer, Listing, One, Resource, View, update, verbs},
};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::NoContent,
        extract::{Auth, Base, Body, Id, RawQuery},
        openapi::{Operation, Router, Security, Takes, delete as delete_at, get},
    },
    model::{Flag, Org, Plan, PlanId, SpaceId},
    store,
    wire::{
        Error, Order, Query, by_name, included,
        offering::{self, Visibility},
        package,
    },
};

pub(super) fn router() -> Router {
    let one = get(show).patch(update::<Plan>).delete(delete);
    let path = "/service_plans/{guid}";
    Router::new()
        .route("/service_plans", get(list))
        .route(path, one)
        .route(
            &format!("{path}/visibility"),
            get(visibility).patch(replace).post(add),
        )
        .route(&format!("{path}/visibility/{{org}}"), delete_at(hide))
}

/// Who looks at the marketplace: anybody, who then sees what is public.
#[derive(Debug)]
pub(super) struct Marketplace(pub(super) Caller);

impl FromRequestParts<Api> for Marketplace {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        if parts.headers.contains_key(header::AUTHORIZATION) {
            let Auth(caller) = Auth::from_request_parts(parts, api).await?;
            return Ok(Self(caller));
        }
        if api.actions.is_on(Flag::HideMarketplace) {
            return Err(Error::not_authenticated("Authentication error").into());
        }
        Ok(Self(Caller::nobody()?))
    }
}

impl Takes for Marketplace {
    fn describe(operation: &mut Operation) {
        operation.secure(Security::MaybeBearer);
    }
}

impl Resource for Plan {
    type Id = PlanId;
    const PATH: &'static str = "/v3/service_plans";
    const FILTERS: &'static [&'static str] = &[
        "names",
        "available",
        "broker_catalog_ids",
        "service_broker_guids",
        "service_broker_names",
        "service_offering_guids",
        "service_offering_names",
        "service_instance_guids",
        "space_guids",
        "organization_guids",
    ];
    const INCLUDES: &'static [&'static str] = &["space.organization", "service_offering"];
    const FIELDS: &'static [(&'static str, &'static [&'static str])] =
        &[("service_offering.service_broker", &["guid", "name"])];
    const ORDERS: &'static [Order<Self>] = &[by_name()];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.service_plans(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: PlanId) -> Result<Arc<Self>, ActionError> {
        actions.service_plan(caller, id)
    }

    fn check(query: &Query) -> Result<(), Error> {
        query.check_switches(&["available"])
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [names, ids, instances] =
            ["names", "broker_catalog_ids", "service_instance_guids"].map(|key| query.filter(key));
        let [brokers, broker_names] =
            ["service_broker_guids", "service_broker_names"].map(|key| query.filter(key));
        let [offerings, offering_names] =
            ["service_offering_guids", "service_offering_names"].map(|key| query.filter(key));
        let state = &view.state;
        items.retain(|found| {
            let Some((_, offering, broker)) = state.origin_of_plan(found.id) else {
                return false;
            };
            let available = query.get("available");
            let mut of_plan = state.services_of_plan(found.id);
            names.passes(&found.terms.name)
                && ids.passes(&found.terms.id)
                && brokers.passes_id(broker.id)
                && broker_names.passes(&broker.name)
                && offerings.passes_id(offering.id)
                && offering_names.passes(&offering.terms.name)
                && available.is_none_or(|wanted| wanted == found.available.to_string())
                && (instances.is_open() || of_plan.any(|service| instances.passes_id(service.id)))
                && offered_in(query, state, found)
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        let origin = view.state.origin_of_plan(self.id);
        origin.map_or(Value::Null, |(_, offering, broker)| {
            offering::present_plan(self, offering, broker, view.base)
        })
    }

    fn include(query: &Query, view: &View<'_>, items: &[Arc<Self>]) -> Option<Map<String, Value>> {
        let View { state, base, .. } = view;
        let mut parts = Vec::new();
        let offerings: BTreeSet<_> = items.iter().map(|found| found.offering).collect();
        if query.names("include", "service_offering") {
            let found = offerings.iter().filter_map(|id| state.offerings.get(id));
            let found = found.map(|offering| offering::present(offering, base));
            parts.push(("service_offerings", found.collect()));
        }
        let brokers = || {
            let found = offerings.iter().filter_map(|id| state.offerings.get(id));
            found.map(|offering| offering.broker)
        };
        if query.names("include", "space.organization") {
            let spaces: Vec<SpaceId> = brokers()
                .filter_map(|broker| state.brokers.get(&broker)?.space)
                .collect();
            let orgs = spaces
                .iter()
                .filter_map(|space| Some(state.spaces.get(space)?.org));
            let orgs = include::organizations(state, orgs, base);
            parts.push(("spaces", include::spaces(state, spaces, base)));
            parts.push(("organizations", orgs));
        }
        if let Some(fields) = query.values("fields[service_offering.service_broker]") {
            let brokers = include::brokers(state, brokers(), &fields);
            parts.push(("service_brokers", brokers));
        }
        (!parts.is_empty()).then(|| included(parts))
    }
}

verbs!(Plan, update(package::Update): update_service_plan);

/// Whether a plan can be used in the spaces or organizations that a query asks for.
pub(super) fn offered_in(query: &Query, state: &store::State, plan: &Plan) -> bool {
    let [spaces, orgs] = ["space_guids", "organization_guids"].map(|key| query.filter(key));
    let Some((.., broker)) = state.origin_of_plan(plan.id) else {
        return false;
    };
    let only = broker.space.and_then(|space| state.spaces.get(&space));
    let in_spaces = spaces.is_open()
        || match &only {
            Some(only) => spaces.passes_id(only.id),
            None => {
                plan.public
                    || plan
                        .orgs
                        .iter()
                        .flat_map(|org| state.spaces_of(*org))
                        .any(|space| spaces.passes_id(space.id))
            }
        };
    let in_orgs = orgs.is_open()
        || match &only {
            Some(only) => orgs.passes_id(only.org),
            None => plan.public || plan.orgs.iter().any(|org| orgs.passes_id(org)),
        };
    in_spaces && in_orgs
}

async fn list(
    State(api): State<Api>,
    Marketplace(caller): Marketplace,
    Base(base): Base,
    query: RawQuery<Plan>,
) -> Listing {
    let query = query.parse()?;
    let items = Plan::all(&api.actions, &caller, &query);
    View::new(&api, &caller, &base).page(&query, items, Plan::PATH)
}

async fn show(
    State(api): State<Api>,
    Marketplace(caller): Marketplace,
    Base(base): Base,
    Id(id): Id<PlanId>,
    query: RawQuery<One<Plan>>,
) -> Answer {
    let query = query.parse()?;
    let found = api.actions.service_plan(&caller, id)?;
    let view = View::new(&api, &caller, &base);
    Ok(Json(view.one(&query, &found)))
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<PlanId>,
) -> Result<NoContent, Failure> {
    api.actions.delete_service_plan(&caller, id).await?;
    Ok(NoContent)
}

/// Who sees a plan; organizations are told where `orgs` are.
fn shown(api: &Api, plan: &Plan, orgs: Option<&[Arc<Org>]>) -> Answer {
    let state = api.actions.store.state();
    let broker = state.origin_of_plan(plan.id).map(|(.., broker)| broker);
    let kind = broker.map_or("admin", |broker| offering::visibility_type(plan, broker));
    let space = broker.and_then(|broker| state.spaces.get(&broker.space?));
    let orgs: Option<Vec<&Org>> = orgs.map(|orgs| orgs.iter().map(AsRef::as_ref).collect());
    Ok(Json(offering::visibility(
        kind,
        orgs.as_deref(),
        space.map(AsRef::as_ref),
    )))
}

async fn visibility(State(api): State<Api>, Auth(caller): Auth, Id(id): Id<PlanId>) -> Answer {
    let plan = api.actions.service_plan(&caller, id)?;
    let orgs = api.actions.service_plan_orgs(&caller, id)?;
    shown(&api, &plan, Some(&orgs))
}

async fn replace(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<PlanId>,
    Body(body): Body<Visibility>,
) -> Answer {
    let changed = api
        .actions
        .show_service_plan(&caller, id, body, false)
        .await?;
    let orgs = api.actions.service_plan_orgs(&caller, id)?;
    shown(&api, &changed, Some(&orgs))
}

async fn add(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<PlanId>,
    Body(body): Body<Visibility>,
) -> Answer {
    let changed = api
        .actions
        .show_service_plan(&caller, id, body, true)
        .await?;
    shown(&api, &changed, None)
}

async fn hide(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path((plan, org)): Path<(String, String)>,
) -> Result<NoContent, Failure> {
    let missing = || ActionError::NotFound("Service plan");
    let plan = plan.parse().map_err(|_| missing())?;
    api.actions
        .hide_service_plan(&caller, plan, org.parse().ok())
        .await?;
    Ok(NoContent)
}
