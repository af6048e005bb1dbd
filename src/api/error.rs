//! The one place where failures become HTTP statuses and Cloud Foundry's error codes.

use std::sync::Arc;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::openapi::{Answers, Operation};
use crate::{actions::ActionError, blobs::BlobError, wire::Error};

/// What to do about a package that is too large.
pub(super) const SMALLER: &str = "List what the app does not need in .cfignore, or ask the \
                                  operator for a larger limit.";

/// Why a request failed, ready to be sent. Internal causes go to the log, not to the client.
#[derive(Debug)]
pub struct Failure(Vec<Error>);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(vec![error])
    }
}

impl From<ActionError> for Failure {
    fn from(error: ActionError) -> Self {
        let one = match error {
            ActionError::NotFound(resource) => Error::not_found(resource),
            ActionError::Forbidden => Error::forbidden(),
            ActionError::OrgSuspended => Error::org_suspended("The organization is suspended"),
            ActionError::Unprocessable(detail) => Error::unprocessable(detail),
            ActionError::Several(details) => {
                return Self(details.into_iter().map(Error::unprocessable).collect());
            }
            ActionError::FeatureDisabled(_) => Error::feature_disabled(error.to_string()),
            ActionError::Quota(_) => Error::unprocessable(error.to_string()),
            ActionError::Taken(detail) => Error::uniqueness(detail),
            ActionError::BadRequest(detail) => Error::bad_request(detail),
            ActionError::Listed(error) => error,
            ActionError::Broker(error) => Error {
                status: error.fault.status(),
                code: 10_001,
                title: error.fault.title(),
                detail: error.message,
            },
            ActionError::BitsUploaded => Error::bits_uploaded(
                "Bits may be uploaded only once. Create a new package to upload different bits.",
            ),
            ActionError::DockerDisabled => {
                Error::docker_disabled("Docker support has not been enabled.")
            }
            ActionError::StagingInProgress => Error::staging_in_progress(
                "Only one build can be STAGING at a time per application.",
            ),
            ActionError::ScaleInFlight => Error::scale_in_flight(error.to_string()),
            ActionError::UpdateInFlight => Error::update_in_flight(error.to_string()),
            ActionError::StopInFlight => Error::stop_in_flight(error.to_string()),
            ActionError::Blob(error @ BlobError::TooLarge { .. }) => {
                Error::too_large(format!("{error}. {SMALLER}"))
            }
            ActionError::Blob(BlobError::Refused(detail)) => Error::unprocessable(detail),
            ActionError::Blob(BlobError::Missing(_)) => {
                Error::unprocessable("The bits are no longer kept; upload them again.")
            }
            ActionError::Blob(error @ BlobError::Io { .. }) => internal(&error),
            ActionError::Store(error) => internal(&error),
        };
        one.into()
    }
}

/// Tells the log the whole chain and the client that it was not their fault. A full disk is
/// told, since waiting or the operator can mend it.
fn internal(error: &(dyn std::error::Error + 'static)) -> Error {
    let full = causes(error).any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .or_else(|| {
                cause
                    .downcast_ref::<Arc<std::io::Error>>()
                    .map(AsRef::as_ref)
            })
            .is_some_and(|io| io.kind() == std::io::ErrorKind::StorageFull)
    });
    tracing::error!(error = chain(error), "a request failed");
    if full {
        return Error::unavailable(
            "The platform's disk is full, so nothing was changed. Try again once the operator \
             has made room.",
        );
    }
    Error::unknown("An unknown error occurred.")
}

/// The error and its causes, outermost first.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// The error with its causes in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let texts: Vec<_> = causes(error).map(ToString::to_string).collect();
    texts.join(": ")
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.0.first().map_or(500, |error| error.status);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let errors: Vec<_> = self.0.iter().map(Error::json).collect();
        (status, Json(json!({ "errors": errors }))).into_response()
    }
}

impl Answers for Failure {
    fn describe(operation: &mut Operation) {
        operation.refuse("Errors");
    }
}
