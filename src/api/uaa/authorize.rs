//! One-time codes for programs that a client speaks to beside the API.

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::error::Refusal;
use crate::{
    api::{
        Api,
        extract::{Base, bearer_of},
    },
    wire::{platform::SSH_CLIENT, query},
};

pub(super) fn router() -> Router<Api> {
    Router::new().route("/oauth/authorize", get(authorize).post(authorize))
}

/// Answers with a redirection, whose target nobody follows: the code in it is what is wanted.
async fn authorize(
    State(api): State<Api>,
    Base(base): Base,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let token = bearer_of(&headers).ok_or_else(Refusal::invalid_token)?;
    let query = query.unwrap_or_default();
    let field = |name: &str| {
        let pairs = query.as_str().split('&').map(query::pair);
        pairs
            .into_iter()
            .find_map(|(key, value)| (key == name).then_some(value))
    };
    let client = field("client_id").unwrap_or_default();
    if client != SSH_CLIENT {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "invalid_client",
            format!("No client with requested id: {client}"),
        ));
    }
    if field("response_type").as_deref() != Some("code") {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "unsupported_response_type",
            "The only response type is 'code'.",
        ));
    }
    let code = api.identity.issue_code(token, &client, api.actions.now())?;
    let target = base.url(&format!("/login?code={code}"));
    let headers = [
        (header::LOCATION, target),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((StatusCode::FOUND, headers).into_response())
}
