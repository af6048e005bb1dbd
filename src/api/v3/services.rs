//! `/v3/service_instances`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Map, Value, json};

use super::{
    include,
    resource::{Answer, Resource, View, list, show},
};
use crate::{
    actions::{ActionError, Actions, Caller, Saved},
    api::{
        Api, Failure,
        answer::{Accepted, Created, Either, NoContent, accepted},
        extract::{Auth, Base, Body, Id, RawQuery, parameters},
        openapi::{Router, delete as delete_at, get},
    },
    authz::Verb,
    model::{Service, ServiceId},
    wire::{self, Error, Order, Query, ToMany, by_name, included, offering, service},
};

pub(super) fn router() -> Router {
    let one = get(show::<Service>).patch(update);
    let path = "/service_instances/{guid}";
    let shared = format!("{path}/relationships/shared_spaces");
    Router::new()
        .route("/service_instances", get(list::<Service>).post(create))
        .route(path, one.delete(delete))
        .route(&format!("{path}/credentials"), get(credentials))
        .route(&format!("{path}/parameters"), get(parameters))
        .route(&format!("{path}/permissions"), get(permissions))
        .route(&shared, get(shared_spaces).post(share))
        .route(&format!("{shared}/usage_summary"), get(usage_summary))
        .route(&format!("{shared}/{{space}}"), delete_at(unshare))
}

parameters! {
    /// What a deletion takes.
    Purge(false): "purge";

    /// What is shown beside the spaces.
    Fields(false): "fields";
}

impl Resource for Service {
    type Id = ServiceId;
    const PATH: &'static str = "/v3/service_instances";
    const FILTERS: &'static [&'static str] = &[
        "names",
        "type",
        "space_guids",
        "organization_guids",
        "service_plan_guids",
        "service_plan_names",
    ];
    const FIELDS: &'static [(&'static str, &'static [&'static str])] = &[
        ("space", &["guid", "name", "relationships.organization"]),
        ("space.organization", &["guid", "name"]),
        (
            "service_plan",
            &["guid", "name", "relationships.service_offering"],
        ),
        (
            "service_plan.service_offering",
            &[
                "guid",
                "name",
                "description",
                "documentation_url",
                "tags",
                "relationships.service_broker",
            ],
        ),
        (
            "service_plan.service_offering.service_broker",
            &["guid", "name"],
        ),
    ];
    const ORDERS: &'static [Order<Self>] = &[by_name()];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.services(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: ServiceId) -> Result<Arc<Self>, ActionError> {
        actions.service(caller, id)
    }

    fn check(query: &Query) -> Result<(), Error> {
        query.check_one_of("type", &["managed", "user-provided"])
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [names, kinds, spaces, orgs] =
            ["names", "type", "space_guids", "organization_guids"].map(|key| query.filter(key));
        let [plans, plan_names] =
            ["service_plan_guids", "service_plan_names"].map(|key| query.filter(key));
        let state = &view.state;
        items.retain(|found| {
            let plan = found.plan().and_then(|plan| state.plans.get(&plan));
            let mut all = std::iter::once(&found.space).chain(&found.shared_with);
            let in_spaces = spaces.is_open() || all.any(|space| spaces.passes_id(space));
            let org = state.spaces.get(&found.space).map(|space| space.org);
            names.passes_name(&found.name)
                && kinds.passes(service::kind(found))
                && in_spaces
                && orgs.passes_maybe(org)
                && plans.passes_maybe(found.plan())
                && (plan_names.is_open()
                    || plan.is_some_and(|plan| plan_names.passes(&plan.terms.name)))
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        let plan = view.state.origin_of(self).map(|(plan, ..)| plan);
        service::present(self, plan, view.base)
    }

    fn include(query: &Query, view: &View<'_>, items: &[Arc<Self>]) -> Option<Map<String, Value>> {
        let View { state, base, .. } = view;
        let spaces = || items.iter().map(|found| found.space);
        let mut parts = Vec::new();
        if let Some(fields) = query.values("fields[space]") {
            let spaces = include::spaces(state, spaces(), base).into_iter();
            let spaces = spaces.map(|space| include::trimmed(space, &fields));
            parts.push(("spaces", spaces.collect()));
        }
        if let Some(fields) = query.values("fields[space.organization]") {
            let orgs = spaces().filter_map(|space| Some(state.spaces.get(&space)?.org));
            let orgs = include::organizations(state, orgs, base).into_iter();
            let orgs = orgs.map(|org| include::trimmed(org, &fields));
            parts.push(("organizations", orgs.collect()));
        }
        parts.extend(origins(query, view, items));
        (!parts.is_empty()).then(|| included(parts))
    }
}

/// Plans, offerings and brokers of instances, as far as a query asks for them.
fn origins(
    query: &Query,
    view: &View<'_>,
    items: &[Arc<Service>],
) -> Vec<(&'static str, Vec<Value>)> {
    let View { state, base, .. } = view;
    let found = || items.iter().filter_map(|service| state.origin_of(service));
    let mut parts = Vec::new();
    if let Some(fields) = query.values("fields[service_plan]") {
        let plans: BTreeMap<_, _> = found()
            .map(|(plan, offering, broker)| {
                let whole = offering::present_plan(plan, offering, broker, base);
                (plan.id, include::trimmed(whole, &fields))
            })
            .collect();
        parts.push(("service_plans", plans.into_values().collect()));
    }
    if let Some(fields) = query.values("fields[service_plan.service_offering]") {
        let offerings: BTreeMap<_, _> = found()
            .map(|(_, offering, _)| {
                let whole = offering::present(offering, base);
                (offering.id, include::trimmed(whole, &fields))
            })
            .collect();
        parts.push(("service_offerings", offerings.into_values().collect()));
    }
    if let Some(fields) = query.values("fields[service_plan.service_offering.service_broker]") {
        let brokers = found().map(|(.., broker)| broker.id);
        parts.push(("service_brokers", include::brokers(state, brokers, &fields)));
    }
    parts
}

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Body(body): Body<service::Create>,
) -> Result<Either<Created, Accepted>, Failure> {
    Ok(match api.actions.create_service(&caller, body).await? {
        Saved::Done(service) => Either::This(Created(service::present(&service, None, &base))),
        Saved::Begun(job) => Either::That(accepted(&base, &job)),
    })
}

async fn update(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<ServiceId>,
    Body(body): Body<service::Update>,
) -> Result<Either<Json<Value>, Accepted>, Failure> {
    Ok(match api.actions.update_service(&caller, id, body).await? {
        Saved::Done(service) => {
            let view = View::new(&api, &caller, &base);
            Either::This(Json(service.present(&view)))
        }
        Saved::Begun(job) => Either::That(accepted(&base, &job)),
    })
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<ServiceId>,
    query: RawQuery<Purge>,
) -> Result<Either<NoContent, Accepted>, Failure> {
    if query.parse()?.flag("purge") {
        api.actions.purge_service(&caller, id).await?;
        return Ok(Either::This(NoContent));
    }
    Ok(match api.actions.delete_service(&caller, id).await? {
        None => Either::This(NoContent),
        Some(job) => Either::That(accepted(&base, &job)),
    })
}

async fn credentials(State(api): State<Api>, Auth(caller): Auth, Id(id): Id<ServiceId>) -> Answer {
    let credentials = api.actions.service_credentials(&caller, id).await?;
    Ok(Json(Value::Object(credentials.0)))
}

async fn parameters(State(api): State<Api>, Auth(caller): Auth, Id(id): Id<ServiceId>) -> Answer {
    let parameters = api.actions.service_parameters(&caller, id).await?;
    Ok(Json(Value::Object(parameters)))
}

async fn permissions(State(api): State<Api>, Auth(caller): Auth, Id(id): Id<ServiceId>) -> Answer {
    let state = api.actions.store.state();
    let found = state.services.get(&id);
    let found = found.ok_or_else(|| Error::not_found("Service instance"))?;
    let manage = caller.need_in_space(&state, Verb::WriteApps, found.space, "Service instance");
    let read = api.actions.service(&caller, id);
    Ok(Json(
        json!({ "manage": manage.is_ok(), "read": read.is_ok() }),
    ))
}

fn shared(view: &View<'_>, query: &Query, found: &Service) -> Json<Value> {
    let View { state, base, .. } = view;
    let path = format!(
        "/v3/service_instances/{}/relationships/shared_spaces",
        found.id
    );
    let mut document = wire::shared::to_many(&found.shared_with);
    document["links"] = json!({ "self": base.link(&path) });
    let spaces = || found.shared_with.iter().copied();
    let mut parts = Vec::new();
    if let Some(fields) = query.values("fields[space]") {
        let spaces = include::spaces(state, spaces(), base).into_iter();
        let spaces = spaces.map(|space| include::trimmed(space, &fields));
        parts.push(("spaces", spaces.collect()));
    }
    if let Some(fields) = query.values("fields[space.organization]") {
        let orgs = spaces().filter_map(|space| Some(state.spaces.get(&space)?.org));
        let orgs = include::organizations(state, orgs, base).into_iter();
        let orgs = orgs.map(|org| include::trimmed(org, &fields));
        parts.push(("organizations", orgs.collect()));
    }
    if !parts.is_empty() {
        document["included"] = Value::Object(included(parts));
    }
    Json(document)
}

async fn shared_spaces(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<ServiceId>,
    query: RawQuery<Fields>,
) -> Answer {
    let query = query.parse()?;
    query.check_fields(&Service::FIELDS[..2])?;
    let found = api.actions.owned_service(&caller, id)?;
    Ok(shared(&View::new(&api, &caller, &base), &query, &found))
}

async fn share(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<ServiceId>,
    Body(body): Body<ToMany>,
) -> Answer {
    let changed = api.actions.share_service(&caller, id, body).await?;
    let view = View::new(&api, &caller, &base);
    Ok(shared(&view, &Query::default(), &changed))
}

async fn unshare(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path((id, space)): Path<(String, String)>,
) -> Result<NoContent, Failure> {
    let id = id
        .parse()
        .map_err(|_| Error::not_found("Service instance"))?;
    api.actions.unshare_service(&caller, id, &space).await?;
    Ok(NoContent)
}

async fn usage_summary(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<ServiceId>,
) -> Answer {
    let found = api.actions.owned_service(&caller, id)?;
    let state = api.actions.store.state();
    let summary: Vec<_> = found
        .shared_with
        .iter()
        .map(|space| {
            let apps = state.bindings_of_service(id).filter(|binding| {
                let app = binding.app.and_then(|app| state.apps.get(&app));
                app.is_some_and(|app| app.space == *space)
            });
            json!({ "space": { "guid": space.to_string() }, "bound_app_count": apps.count() })
        })
        .collect();
    let path = format!("/v3/service_instances/{id}");
    let spaces = format!("{path}/relationships/shared_spaces");
    Ok(Json(json!({
        "usage_summary": summary,
        "links": {
            "self": base.link(&format!("{spaces}/usage_summary")),
            "shared_spaces": base.link(&spaces),
            "service_instance": base.link(&path),
        },
    })))
}
