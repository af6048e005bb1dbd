//! `/v3/service_instances`.

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Map, Value, json};

use super::{
    include,
    resource::{Answer, Resource, View, create, list, show, update, verbs},
};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        extract::{Auth, Base, Id},
    },
    authz::Verb,
    model::{Service, ServiceId},
    wire::{Error, Filter, Query, included, service},
};

pub(super) fn router() -> Router<Api> {
    let one = get(show::<Service>).patch(update::<Service>);
    let path = "/service_instances/{guid}";
    Router::new()
        .route(
            "/service_instances",
            get(list::<Service>).post(create::<Service>),
        )
        .route(path, one.delete(delete))
        .route(&format!("{path}/credentials"), get(credentials))
        .route(&format!("{path}/parameters"), get(parameters))
        .route(&format!("{path}/permissions"), get(permissions))
        .route(
            &format!("{path}/relationships/shared_spaces"),
            get(shared_spaces).post(share),
        )
        .route(
            &format!("{path}/relationships/shared_spaces/usage_summary"),
            get(usage_summary),
        )
}

impl Resource for Service {
    type Id = ServiceId;
    const PATH: &'static str = "/v3/service_instances";
    const FILTERS: &'static [&'static str] = &[
        "names",
        "guids",
        "type",
        "space_guids",
        "organization_guids",
        "service_plan_guids",
        "service_plan_names",
        "fields",
    ];
    const PARAMETERS: &'static [&'static str] = &["fields"];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.services(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: ServiceId) -> Result<Arc<Self>, ActionError> {
        actions.service(caller, id)
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [names, kinds, spaces, orgs] =
            ["names", "type", "space_guids", "organization_guids"].map(|key| query.filter(key));
        // No instance has a plan.
        let plans = ["service_plan_guids", "service_plan_names"].map(|key| query.filter(key));
        items.retain(|found| {
            let org = view.state.spaces.get(&found.space).map(|space| space.org);
            names.passes_name(&found.name)
                && kinds.passes(service::kind(found))
                && spaces.passes_id(found.space)
                && orgs.passes_maybe(org)
                && plans.iter().all(Filter::is_open)
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        service::present(self, view.base)
    }

    fn include(query: &Query, view: &View<'_>, items: &[Arc<Self>]) -> Option<Map<String, Value>> {
        let View { state, base, .. } = view;
        let spaces = || items.iter().map(|found| found.space);
        let mut parts = Vec::new();
        let wants_orgs = query.get("fields[space.organization]").is_some();
        if query.get("fields[space]").is_some() || wants_orgs {
            parts.push(("spaces", include::spaces(state, spaces(), base)));
        }
        if wants_orgs {
            let orgs = spaces().filter_map(|space| Some(state.spaces.get(&space)?.org));
            parts.push(("organizations", include::organizations(state, orgs, base)));
        }
        (!parts.is_empty()).then(|| included(parts))
    }
}

verbs!(
    Service,
    create(service::Create): create_service,
    update(service::Update): update_service
);

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<ServiceId>,
) -> Result<StatusCode, Failure> {
    api.actions.delete_service(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn credentials(State(api): State<Api>, Auth(caller): Auth, Id(id): Id<ServiceId>) -> Answer {
    let found = api.actions.service_with_credentials(&caller, id).await?;
    Ok(Json(Value::Object(found.credentials().0.clone())))
}

async fn parameters(State(api): State<Api>, Auth(caller): Auth, Id(id): Id<ServiceId>) -> Answer {
    api.actions.service(&caller, id)?;
    Err(Error::no_instance_parameters(
        "This service does not support fetching service instance parameters.",
    )
    .into())
}

async fn permissions(State(api): State<Api>, Auth(caller): Auth, Id(id): Id<ServiceId>) -> Answer {
    let state = api.actions.store.state();
    let found = state.services.get(&id);
    let found = found.ok_or_else(|| Error::not_found("Service instance"))?;
    let may = |verb| caller.may_in_space(&state, verb, found.space);
    Ok(Json(json!({
        "manage": may(Verb::WriteApps),
        "read": may(Verb::ReadSpace),
    })))
}

async fn shared_spaces(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<ServiceId>,
) -> Answer {
    api.actions.service(&caller, id)?;
    let path = format!("/v3/service_instances/{id}/relationships/shared_spaces");
    let links = json!({ "self": base.link(&path) });
    Ok(Json(json!({ "data": [], "links": links })))
}

async fn share(State(api): State<Api>, Auth(caller): Auth, Id(id): Id<ServiceId>) -> Answer {
    api.actions.service(&caller, id)?;
    Err(Error::feature_disabled("Feature Disabled: service_instance_sharing").into())
}

async fn usage_summary(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<ServiceId>,
) -> Answer {
    api.actions.service(&caller, id)?;
    let path = format!("/v3/service_instances/{id}");
    let spaces = format!("{path}/relationships/shared_spaces");
    Ok(Json(json!({
        "usage_summary": [],
        "links": {
            "self": base.link(&format!("{spaces}/usage_summary")),
            "shared_spaces": base.link(&spaces),
            "service_instance": base.link(&path),
        },
    })))
}
