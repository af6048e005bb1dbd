//! Answers, each a type of its own, so that handlers say what they answer with.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::openapi::{Answers, Operation};
use crate::{
    model::Job,
    wire::{self, Base},
};

/// 201 with a document.
#[derive(Debug)]
pub(super) struct Created<T = Value>(pub(super) T);

/// 202 with a document, which shows later what became of it.
#[derive(Debug)]
pub(super) struct Begun(pub(super) Value);

/// 204.
#[derive(Debug)]
pub(super) struct NoContent;

/// 200 without a body.
#[derive(Debug)]
pub(super) struct Done;

/// 202 with the address where a job is polled.
#[derive(Debug)]
pub(super) struct Accepted {
    location: String,
}

/// 202 with the address where a job is polled, and a document.
#[derive(Debug)]
pub(super) struct Underway(pub(super) Accepted, pub(super) Value);

/// 200 with a document that nobody on the way keeps.
#[derive(Debug)]
pub(super) struct Unkept(pub(super) Value);

/// One answer or another.
#[derive(Debug)]
pub(super) enum Either<A, B> {
    This(A),
    That(B),
}

/// 202 with the address where the job is polled.
pub(super) fn accepted(base: &Base, job: &Job) -> Accepted {
    let location = base.url(&wire::job::path(job));
    Accepted { location }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

impl<T: JsonSchema> Answers for Created<T> {
    fn describe(operation: &mut Operation) {
        operation.answer_json::<T>(201);
    }
}

impl IntoResponse for Begun {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self.0)).into_response()
    }
}

impl Answers for Begun {
    fn describe(operation: &mut Operation) {
        operation.answer_json::<Value>(202);
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Answers for NoContent {
    fn describe(operation: &mut Operation) {
        operation.answer(204, None);
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::OK.into_response()
    }
}

impl Answers for Done {
    fn describe(operation: &mut Operation) {
        operation.answer(200, None);
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, [(header::LOCATION, self.location)]).into_response()
    }
}

impl Answers for Accepted {
    fn describe(operation: &mut Operation) {
        operation.answer(202, None);
    }
}

impl IntoResponse for Underway {
    fn into_response(self) -> Response {
        let location = [(header::LOCATION, self.0.location)];
        (StatusCode::ACCEPTED, location, Json(self.1)).into_response()
    }
}

impl Answers for Underway {
    fn describe(operation: &mut Operation) {
        operation.answer_json::<Value>(202);
    }
}

impl IntoResponse for Unkept {
    fn into_response(self) -> Response {
        // RFC 6749, 5.1.
        ([(header::CACHE_CONTROL, "no-store")], Json(self.0)).into_response()
    }
}

impl Answers for Unkept {
    fn describe(operation: &mut Operation) {
        operation.answer_json::<Value>(200);
    }
}

impl<A: IntoResponse, B: IntoResponse> IntoResponse for Either<A, B> {
    fn into_response(self) -> Response {
        match self {
            Self::This(answer) => answer.into_response(),
            Self::That(answer) => answer.into_response(),
        }
    }
}

impl<A: Answers, B: Answers> Answers for Either<A, B> {
    fn describe(operation: &mut Operation) {
        A::describe(operation);
        B::describe(operation);
    }
}

impl<T: Answers> Answers for (Warnings, T) {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

/// Header `X-Cf-Warnings`: what clients print beside the result.
#[derive(Debug, Default)]
pub(super) struct Warnings(pub(super) Vec<String>);

impl axum::response::IntoResponseParts for Warnings {
    type Error = std::convert::Infallible;

    fn into_response_parts(
        self,
        mut parts: axum::response::ResponseParts,
    ) -> Result<axum::response::ResponseParts, Self::Error> {
        // Items are query-escaped, which leaves no comma inside one.
        let items: Vec<_> = self
            .0
            .iter()
            .map(|text| wire::query::encode(text))
            .collect();
        if !items.is_empty()
            && let Ok(value) = HeaderValue::from_str(&items.join(","))
        {
            parts
                .headers_mut()
                .insert(HeaderName::from_static("x-cf-warnings"), value);
        }
        Ok(parts)
    }
}
