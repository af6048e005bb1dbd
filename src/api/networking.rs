//! `/networking/{v0,v1}/external`: which app may reach which other, as Cloud Foundry's policy
//! server speaks.

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    Api,
    extract::{Auth, RawQuery, parameters, read},
    openapi::{Answers, Operation, Router, Security, Takes, get, post},
    raw::Unread,
};
use crate::{
    actions::{ActionError, PolicyChange as Change},
    wire::network_policy::{Policies, Version, Wanted, parse, present},
};

pub(super) fn router() -> Router {
    let mut router = Router::new();
    for (name, version) in [("v0", Version::V0), ("v1", Version::V1)] {
        let path = format!("/networking/{name}/external/policies");
        router = router
            .route(
                &path,
                get(move |api, auth, query| list(version, api, auth, query))
                    .post(move |api, auth, body| change(Change::Open, version, api, auth, body)),
            )
            .route(
                &format!("{path}/delete"),
                post(move |api, auth, body| change(Change::Close, version, api, auth, body)),
            );
    }
    router
}

impl Takes for Developer {
    fn describe(operation: &mut Operation) {
        operation.secure(Security::Bearer);
    }
}

parameters! {
    /// What clients send, of which `id` is either end.
    Filters(false): "id", "source_id", "dest_id";
}

/// Why a request failed, in the policy server's shape.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<ActionError> for Refusal {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::Forbidden => Self(
                StatusCode::FORBIDDEN,
                "one or more applications cannot be found or accessed".to_owned(),
            ),
            ActionError::OrgSuspended => Self(StatusCode::FORBIDDEN, error.to_string()),
            ActionError::Unprocessable(detail) => Self(StatusCode::FORBIDDEN, detail),
            other => {
                tracing::error!(error = super::error::chain(&other), "a request failed");
                Self(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "an internal error occurred".to_owned(),
                )
            }
        }
    }
}

impl Answers for Refusal {
    fn describe(operation: &mut Operation) {
        operation.refuse("PolicyError");
    }
}

/// The caller; where there is none, that is told in the policy server's shape.
struct Developer(Auth);

impl FromRequestParts<Api> for Developer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let auth = Auth::from_request_parts(parts, api).await;
        auth.map(Self).map_err(|_| {
            Refusal(
                StatusCode::UNAUTHORIZED,
                "authenticator: the token is missing or not valid".to_owned(),
            )
        })
    }
}

async fn list(
    version: Version,
    State(api): State<Api>,
    Developer(Auth(caller)): Developer,
    query: RawQuery<Filters>,
) -> Result<Json<Value>, Refusal> {
    let query = query.parse().map_err(|_| {
        Refusal(
            StatusCode::BAD_REQUEST,
            "unknown query parameter".to_owned(),
        )
    })?;
    let [either, source, destination] = ["id", "source_id", "dest_id"].map(|key| query.filter(key));
    let mut policies = api.actions.network_policies(&caller);
    policies.retain(|policy| {
        source.passes_id(policy.source)
            && destination.passes_id(policy.destination)
            && (either.passes_id(policy.source) || either.passes_id(policy.destination))
    });
    Ok(Json(present(policies.iter().map(AsRef::as_ref), version)))
}

async fn change(
    change: Change,
    version: Version,
    State(api): State<Api>,
    Developer(Auth(caller)): Developer,
    body: Unread<Policies>,
) -> Result<Json<Value>, Refusal> {
    let wanted = wanted(version, body).await?;
    let actions = &api.actions;
    actions
        .change_network_policies(&caller, change, wanted)
        .await?;
    Ok(Json(json!({})))
}

async fn wanted(
    version: Version,
    Unread(body, _): Unread<Policies>,
) -> Result<Vec<Wanted>, Refusal> {
    let bad = |text: String| Refusal(StatusCode::BAD_REQUEST, text);
    let body = read(body.into_body())
        .await
        .map_err(|_| bad("invalid request body".to_owned()))?;
    parse(&body, version).map_err(bad)
}
