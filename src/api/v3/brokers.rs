//! `/v3/service_brokers`.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::Value;

use super::resource::{Resource, View, delete, list, show, verbs};
use crate::{
    actions::{ActionError, Actions, Caller, Changed},
    api::{
        Api, Failure,
        answer::{Accepted, Either, accepted},
        extract::{Auth, Base, Body, Id},
        openapi::{Router, get},
    },
    model::{Broker, BrokerId},
    wire::{Order, Query, broker, by_name},
};

pub(super) fn router() -> Router {
    Router::new()
        .route("/service_brokers", get(list::<Broker>).post(create))
        .route(
            "/service_brokers/{guid}",
            get(show::<Broker>).patch(update).delete(delete::<Broker>),
        )
}

impl Resource for Broker {
    type Id = BrokerId;
    const PATH: &'static str = "/v3/service_brokers";
    const FILTERS: &'static [&'static str] = &["names", "space_guids"];
    const ORDERS: &'static [Order<Self>] = &[by_name()];

    fn all(actions: &Actions, caller: &Caller, _: &Query) -> Vec<Arc<Self>> {
        actions.service_brokers(caller)
    }

    fn find(actions: &Actions, caller: &Caller, id: BrokerId) -> Result<Arc<Self>, ActionError> {
        actions.service_broker(caller, id)
    }

    fn narrow(query: &Query, _: &View<'_>, items: &mut Vec<Arc<Self>>) {
        let [names, spaces] = ["names", "space_guids"].map(|key| query.filter(key));
        items.retain(|found| names.passes(&found.name) && spaces.passes_maybe(found.space));
    }

    fn present(&self, view: &View<'_>) -> Value {
        broker::present(self, view.base)
    }
}

verbs!(Broker, delete: delete_service_broker);

async fn create(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Body(body): Body<broker::Create>,
) -> Result<Accepted, Failure> {
    let job = api.actions.create_service_broker(&caller, body).await?;
    Ok(accepted(&base, &job))
}

async fn update(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<BrokerId>,
    Body(body): Body<broker::Update>,
) -> Result<Either<Json<Value>, Accepted>, Failure> {
    let changed = api.actions.update_service_broker(&caller, id, body).await?;
    Ok(match changed {
        Changed::Done(broker) => Either::This(Json(broker::present(&broker, &base))),
        Changed::Begun(job) => Either::That(accepted(&base, &job)),
    })
}
