//! UAA's way to say no: `{"error": id, "error_description": text}`.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    actions::ActionError,
    api::{
        error::chain,
        openapi::{Answers, Operation},
    },
    identity::{IdentityError, LoginError},
};

/// A refusal in UAA's form.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    id: &'static str,
    description: String,
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        id: &'static str,
        description: impl Into<String>,
    ) -> Self {
        Self {
            status,
            id,
            description: description.into(),
        }
    }

    /// No valid token came with the request.
    pub(super) fn invalid_token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            "The token expired, was revoked, or is otherwise not valid.",
        )
    }

    /// The caller may not do this.
    pub(super) fn insufficient_scope() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            "Insufficient scope for this resource",
        )
    }

    /// The request makes no sense.
    pub(super) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// There is no such user.
    pub(super) fn no_user(id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "scim_resource_not_found",
            format!("User {id} does not exist"),
        )
    }

    fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = chain(error), "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            "An unknown error occurred.",
        )
    }
}

impl From<LoginError> for Refusal {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::BadCredentials => {
                Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Bad credentials")
            }
            LoginError::BadClient => Self::new(
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "Bad client credentials",
            ),
            LoginError::NoScope => Self::new(
                StatusCode::BAD_REQUEST,
                "invalid_scope",
                "The client may not have what was asked for.",
            ),
            // The CLI knows this text.
            LoginError::Locked => Self::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "Your account has been locked because of too many failed attempts to login.",
            ),
            LoginError::InvalidToken => Self::invalid_token(),
            LoginError::Busy => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "Too many logins at once. Try again in a moment.",
            ),
            error @ (LoginError::Sign(_) | LoginError::Store(_)) => Self::internal(&error),
        }
    }
}

impl From<IdentityError> for Refusal {
    fn from(error: IdentityError) -> Self {
        Self::internal(&error)
    }
}

impl From<ActionError> for Refusal {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::Forbidden => Self::insufficient_scope(),
            ActionError::NotFound(what) => Self::new(
                StatusCode::NOT_FOUND,
                "scim_resource_not_found",
                format!("{what} not found"),
            ),
            ActionError::Taken(text) => {
                Self::new(StatusCode::CONFLICT, "scim_resource_already_exists", text)
            }
            ActionError::Store(error) => Self::internal(&error),
            other => Self::new(
                StatusCode::BAD_REQUEST,
                "invalid_scim_resource",
                other.to_string(),
            ),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.id, "error_description": self.description });
        (self.status, Json(body)).into_response()
    }
}

impl Answers for Refusal {
    fn describe(operation: &mut Operation) {
        operation.refuse("UaaError");
    }
}
