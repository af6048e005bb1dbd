//! `/routing/v1/router_groups`: the ports that TCP routes may have, as Cloud Foundry's routing
//! API speaks.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    Api,
    extract::{Auth, RawQuery, parameters},
    openapi::{Answers, Operation, Router, get},
};
use crate::{actions::Caller, model::ROUTER_GROUPS, wire::router_group};

pub(super) fn router() -> Router {
    Router::new()
        .route("/routing/v1/router_groups", get(list))
        .route("/routing/v1/router_groups/{guid}", get(show))
}

parameters! {
    /// Which groups.
    Named(false): "name";
}

/// Why a request failed, in the routing API's shape.
struct Refusal {
    status: StatusCode,
    name: &'static str,
    message: String,
}

impl Refusal {
    fn not_found(named: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            name: "ResourceNotFoundError",
            message: format!("Router Group '{named}' not found"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = json!({ "name": self.name, "message": self.message });
        (self.status, Json(error)).into_response()
    }
}

impl Answers for Refusal {
    fn describe(operation: &mut Operation) {
        operation.refuse("RoutingError");
    }
}

/// The routing API answers with 401 where a token is good but lacks its scope.
fn need_scope(caller: &Caller) -> Result<(), Refusal> {
    if caller.may_see_router_groups() {
        return Ok(());
    }
    Err(Refusal {
        status: StatusCode::UNAUTHORIZED,
        name: "UnauthorizedError",
        message: format!("Token does not have '{ROUTER_GROUPS}' scope"),
    })
}

async fn list(
    State(api): State<Api>,
    Auth(caller): Auth,
    query: RawQuery<Named>,
) -> Result<Json<Value>, Refusal> {
    need_scope(&caller)?;
    let query = query.parse().map_err(|_| Refusal {
        status: StatusCode::BAD_REQUEST,
        name: "ProcessRequestError",
        message: "unknown query parameter".to_owned(),
    })?;
    let ports = api.actions.config.tcp_ports;
    let named = query.get("name").filter(|name| !name.is_empty());
    if let Some(name) = named
        && (ports.is_none() || name != router_group::NAME)
    {
        return Err(Refusal::not_found(name));
    }
    let groups: Vec<Value> = ports.into_iter().map(router_group::present).collect();
    Ok(Json(Value::Array(groups)))
}

async fn show(
    State(api): State<Api>,
    Auth(caller): Auth,
    Path(guid): Path<String>,
) -> Result<Json<Value>, Refusal> {
    need_scope(&caller)?;
    match api.actions.config.tcp_ports {
        Some(ports) if guid == router_group::GUID => Ok(Json(router_group::present(ports))),
        _ => Err(Refusal::not_found(&guid)),
    }
}
