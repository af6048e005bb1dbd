//! `/v3/service_credential_bindings`.

use std::{collections::BTreeSet, sync::Arc};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Map, Value};

use super::resource::{Answer, Resource, View, list, show, update, verbs};
use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::Warnings,
        extract::{Auth, Base, Body, Id},
    },
    model::{Binding, BindingId},
    wire::{Error, Filter, Query, app, binding, included, package, service},
};

pub(super) fn router() -> Router<Api> {
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
        "guids",
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

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.bindings(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: BindingId) -> Result<Arc<Self>, ActionError> {
        actions.binding(caller, id)
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [names, kinds] = ["names", "type"].map(|key| query.filter(key));
        let [apps, app_names] = ["app_guids", "app_names"].map(|key| query.filter(key));
        let [services, service_names] =
            ["service_instance_guids", "service_instance_names"].map(|key| query.filter(key));
        // No instance has a plan or an offering.
        let managed = [
            "service_plan_guids",
            "service_plan_names",
            "service_offering_guids",
            "service_offering_names",
        ]
        .map(|key| query.filter(key));
        let state = &view.state;
        items.retain(|found| {
            let app = state.apps.get(&found.app);
            let service = state.services.get(&found.service);
            kinds.passes("app")
                && apps.passes_id(found.app)
                && services.passes_id(found.service)
                && (names.is_open() || found.name.as_ref().is_some_and(|name| names.passes(name)))
                && app.is_some_and(|app| app_names.passes_name(&app.name))
                && service.is_some_and(|service| service_names.passes_name(&service.name))
                && managed.iter().all(Filter::is_open)
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        binding::present(self, view.base)
    }

    fn include(query: &Query, view: &View<'_>, items: &[Arc<Self>]) -> Option<Map<String, Value>> {
        let View { state, base, .. } = view;
        let mut parts = Vec::new();
        if query.names("include", "app") {
            let ids: BTreeSet<_> = items.iter().map(|found| found.app).collect();
            let apps = ids.iter().filter_map(|id| state.apps.get(id));
            parts.push((
                "apps",
                apps.map(|found| app::present(found, base)).collect(),
            ));
        }
        if query.names("include", "service_instance") {
            let ids: BTreeSet<_> = items.iter().map(|found| found.service).collect();
            let services = ids.iter().filter_map(|id| state.services.get(id));
            let services = services.map(|found| service::present(found, base));
            parts.push(("service_instances", services.collect()));
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
) -> Result<(StatusCode, Warnings, Json<Value>), Failure> {
    let made = api.actions.create_binding(&caller, body).await?;
    let mut warnings = Vec::new();
    if made.closed {
        warnings.push(
            "The binding does not open the service's address to the app, since no admin set the \
             service's credentials. Where the address is not a public one, ask an admin to set \
             them or to bind a security group."
                .to_owned(),
        );
    }
    let document = binding::present(&made.binding, &base);
    Ok((StatusCode::CREATED, Warnings(warnings), Json(document)))
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<BindingId>,
) -> Result<StatusCode, Failure> {
    api.actions.delete_binding(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn details(State(api): State<Api>, Auth(caller): Auth, Id(id): Id<BindingId>) -> Answer {
    Ok(Json(binding::details(
        &*api.actions.bound_service(&caller, id)?,
    )))
}

async fn parameters(State(api): State<Api>, Auth(caller): Auth, Id(id): Id<BindingId>) -> Answer {
    api.actions.binding(&caller, id)?;
    Err(Error::no_binding_parameters(
        "This service does not support fetching service binding parameters.",
    )
    .into())
}
