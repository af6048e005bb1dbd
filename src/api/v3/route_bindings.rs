//! `/v3/service_route_bindings`.

use std::{collections::BTreeSet, sync::Arc};

use axum::{Json, extract::State};
use serde_json::{Map, Value};

use super::{
    include,
    resource::{Answer, Resource, View, list, show, update, verbs},
};
use crate::{
    actions::{ActionError, Actions, Caller, RouteBound},
    api::{
        Api, Failure,
        answer::{Accepted, Created, Either, NoContent, Warnings, accepted},
        extract::{Auth, Base, Body, Id},
        openapi::{Router, get},
    },
    model::{RouteBinding, RouteBindingId},
    wire::{Query, included, package, route_binding},
};

pub(super) fn router() -> Router {
    let one = get(show::<RouteBinding>).patch(update::<RouteBinding>);
    let path = "/service_route_bindings/{guid}";
    Router::new()
        .route(
            "/service_route_bindings",
            get(list::<RouteBinding>).post(create),
        )
        .route(path, one.delete(delete))
        .route(&format!("{path}/parameters"), get(parameters))
}

impl Resource for RouteBinding {
    type Id = RouteBindingId;
    const PATH: &'static str = "/v3/service_route_bindings";
    const FILTERS: &'static [&'static str] = &[
        "service_instance_guids",
        "service_instance_names",
        "route_guids",
    ];
    const INCLUDES: &'static [&'static str] = &["route", "service_instance"];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.route_bindings(caller)
    }

    fn find(
        actions: &Actions,
        caller: &Caller,
        id: RouteBindingId,
    ) -> Result<Arc<Self>, ActionError> {
        actions.route_binding(caller, id)
    }

    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [services, names, routes] = [
            "service_instance_guids",
            "service_instance_names",
            "route_guids",
        ]
        .map(|key| query.filter(key));
        items.retain(|found| {
            let service = view.state.services.get(&found.service);
            services.passes_id(found.service)
                && routes.passes_id(found.route)
                && service.is_some_and(|service| names.passes_name(&service.name))
        });
    }

    fn present(&self, view: &View<'_>) -> Value {
        let service = view.state.services.get(&self.service);
        let managed = service.is_some_and(|service| service.is_managed());
        route_binding::present(self, managed, view.base)
    }

    fn include(query: &Query, view: &View<'_>, items: &[Arc<Self>]) -> Option<Map<String, Value>> {
        let View { state, base, .. } = view;
        let mut parts = Vec::new();
        if query.names("include", "route") {
            let ids: BTreeSet<_> = items.iter().map(|found| found.route).collect();
            let routes = ids.iter().filter_map(|id| state.routes.get(id));
            parts.push(("routes", routes.map(|route| route.present(view)).collect()));
        }
        if query.names("include", "service_instance") {
            let services = items.iter().map(|found| found.service);
            parts.push((
                "service_instances",
                include::services(state, services, base),
            ));
        }
        (!parts.is_empty()).then(|| included(parts))
    }
}

verbs!(RouteBinding, update(package::Update): update_route_binding);

/// What whoever binds a route has to know.
const NOT_FOLLOWED: &str = "The binding is kept and shown, but requests for the route do not go \
                            through the service: the gateway of this platform does not do that.";

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Body(body): Body<route_binding::Create>,
) -> Result<(Warnings, Either<Created, Accepted>), Failure> {
    let warnings = Warnings(vec![NOT_FOLLOWED.to_owned()]);
    let made = api.actions.create_route_binding(&caller, body).await?;
    let answer = match made {
        RouteBound::Done(binding) => {
            let document = route_binding::present(&binding, false, &base);
            Either::This(Created(document))
        }
        RouteBound::Begun(job) => Either::That(accepted(&base, &job)),
    };
    Ok((warnings, answer))
}

async fn delete(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<RouteBindingId>,
) -> Result<Either<NoContent, Accepted>, Failure> {
    Ok(match api.actions.delete_route_binding(&caller, id).await? {
        None => Either::This(NoContent),
        Some(job) => Either::That(accepted(&base, &job)),
    })
}

async fn parameters(
    State(api): State<Api>,
    Auth(caller): Auth,
    Id(id): Id<RouteBindingId>,
) -> Answer {
    let parameters = api.actions.route_binding_parameters(&caller, id).await?;
    Ok(Json(Value::Object(parameters)))
}
