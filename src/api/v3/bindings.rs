//! `/v3/service_credential_bindings`.

use std::{collections::BTreeSet, sync::Arc};

use axum::{Json, extract::State};
use serde_json::{Map, Value};

use super::{
    include,
    resource::{Answer, Resource, View, list, show, update, verbs},
};
use crate::{
    actions::{ActionError, Actions, Bound, Caller},
    api::{
        Api, Failure,
        answer::{Accepted, Created, Either, NoContent, Warnings, accepted},
        extract::{Auth, Base, Body, Id},
        openapi::{Router, get},
    },
    model::{Binding, BindingId},
    wire::{Error, Order, Query, app, binding, by_name, included, package},
};

pub(super) fn router() -> Router {
    let one = get(show::<Binding>).patch(update::<Binding>);
    let path = "/service_credential_bindings/{guid}";
    Router::new()
        .route(
            "/service_credential_bindings",
            get(list::<Binding>).post(create),
        )
        .route(path, one.delete(delete))
        .route(&format!("{path}/details"), get(details))
        .route(&format!("{path}/parameters"), get(parameters))
}

impl Resource for Binding {
    type Id = BindingId;
    const PATH: &'static str = "/v3/service_credential_bindings";
    const FILTERS: &'static [&'static str] = &[
        "names",
        "type",
        "app_guids",
        "app_names",
        "service_instance_guids",
        "service_instance_names",
        "service_plan_guids",
        "service_plan_names",
        "service_offering_guids",
        "service_offering_names",
    ];
    const INCLUDES: &'static [&'static str] = &["app", "service_instance"];
    const ORDERS: &'static [Order<Self>] = &[by_name()];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.bindings(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: BindingId) -> Result<Arc<Self>, ActionError> {
        actions.binding(caller, id)
    }

    fn check(query: &Query) -> Result<(), Error> {
        query.check_one_of("type", &["app", "key"])
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [names, kinds] = ["names", "type"].map(|key| query.filter(key));
        let [apps, app_names] = ["app_guids", "app_names"].map(|key| query.filter(key));
        let [services, service_names] =
            ["service_instance_guids", "service_instance_names"].map(|key| query.filter(key));
        let managed = [
            "service_plan_guids",
            "service_plan_names",
            "service_offering_guids",
            "service_offering_names",
        ]
        .map(|key| query.filter(key));
        let [plans, plan_names, offerings, offering_names] = managed;
        let state = &view.state;
        items.retain(|found| {
            let app = found.app.and_then(|app| state.apps.get(&app));
            let service = state.services.get(&found.service);
            let origin = service.and_then(|service| state.origin_of(service));
            let plan = origin.map(|(plan, ..)| plan);
            let offering = origin.map(|(_, offering, _)| offering);
            kinds.passes(binding::kind(found))
                && apps.passes_maybe(found.app)
                && services.passes_id(found.service)
                && (names.is_open() || found.name.as_ref().is_some_and(|name| names.passes(name)))
                && (app_names.is_open() || app.is_some_and(|app| app_names.passes_name(&app.name)))
                && service.is_some_and(|service| service_names.passes_name(&service.name))
                && plans.passes_maybe(plan.map(|plan| plan.id))
                && offerings.passes_maybe(offering.map(|offering| offering.id))
                && (plan_names.is_open()
                    || plan.is_some_and(|plan| plan_names.passes(&plan.terms.name)))
                && (offering_names.is_open()
                    || offering.is_some_and(|offering| offering_names.passes(&offering.terms.name)))
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        let service = view.state.services.get(&self.service);
        let managed = service.is_some_and(|service| service.is_managed());
        binding::present(self, managed, view.base)
    }

    fn include(query: &Query, view: &View<'_>, items: &[Arc<Self>]) -> Option<Map<String, Value>> {
        let View { state, base, .. } = view;
        let mut parts = Vec::new();
        if query.names("include", "app") {
            let ids: BTreeSet<_> = items.iter().filter_map(|found| found.app).collect();
            let apps = ids.iter().filter_map(|id| state.apps.get(id));
            parts.push((
                "apps",
                apps.map(|found| app::present(found, base)).collect(),
            ));
        }
        if query.names("include", "service_instance") {
            let services = items.iter().map(|found| found.service);
            let services = include::services(state, services, base);
            parts.push(("service_instances", services));
        }
        (!parts.is_empty()).then(|| included(parts))
    }
}

verbs!(Binding, update(package::Update): update_binding);

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Body(body): Body<binding::Create>,
) -> Result<Either<(Warnings, Created), Accepted>, Failure> {
    let (binding, closed) = match api.actions.create_binding(&caller, body).await? {
        Bound::Begun(job) => return Ok(Either::That(accepted(&base, &job))),
        Bound::Done { binding, closed } => (binding, closed),
    };
    let mut warnings = Vec::new();
    if closed {
        warnings.push(
            "The binding does not open the service's address to the app, since no admin set the \
             service's credentials. Where the address is not a public one, ask an admin to set \
             them or to bind a security group."
                .to_owned(),
        );
    }
    let document = binding::present(&binding, false, &base);
    Ok(Either::This((Warnings(warnings), Created(document))))
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<BindingId>,
) -> Result<Either<NoContent, Accepted>, Failure> {
    Ok(match api.actions.delete_binding(&caller, id).await? {
        None => Either::This(NoContent),
        Some(job) => Either::That(accepted(&base, &job)),
    })
}

async fn details(State(api): State<Api>, Auth(caller): Auth, Id(id): Id<BindingId>) -> Answer {
    let (binding, service) = api.actions.bound_service(&caller, id).await?;
    Ok(Json(binding::details(&binding, &service)))
}

async fn parameters(State(api): State<Api>, Auth(caller): Auth, Id(id): Id<BindingId>) -> Answer {
    let parameters = api.actions.binding_parameters(&caller, id).await?;
    Ok(Json(Value::Object(parameters)))
}
