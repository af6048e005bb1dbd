//! Answers that are more than a document.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    model::Job,
    wire::{self, Base},
};

/// 202 with the address where the job is polled.
pub(super) fn accepted(base: &Base, job: &Job) -> Response {
    let location = base.url(&wire::job::path(job));
    (StatusCode::ACCEPTED, [(header::LOCATION, location)]).into_response()
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
            .map(|text| {
                percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                    .to_string()
            })
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
