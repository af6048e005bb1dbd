//! Cloud Foundry's table of errors.

use serde_json::{Value, json};

/// One error as the API tells it: `{"code", "title", "detail"}` with its HTTP status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    /// HTTP status.
    pub status: u16,
    /// Cloud Foundry's number.
    pub code: u32,
    /// Cloud Foundry's name, with `CF-`.
    pub title: &'static str,
    /// For people; clients match some of these texts, so they are part of the interface.
    pub detail: String,
}

macro_rules! table {
    ($($(#[$doc:meta])* $name:ident = $status:literal $code:literal $title:literal;)*) => {
        impl Error {$(
            $(#[$doc])*
            #[must_use]
            pub fn $name(detail: impl Into<String>) -> Self {
                Self { status: $status, code: $code, title: $title, detail: detail.into() }
            }
        )*}
    };
}

// Cloud Foundry, cloud_controller_ng, errors/v2.yml: codes, names and statuses.
table! {
    /// The token is not one of ours, or has expired.
    invalid_auth_token = 401 1000 "CF-InvalidAuthToken";
    /// The body could not be parsed.
    message_parse = 400 1001 "CF-MessageParseError";
    /// The request as such is wrong.
    bad_request = 400 1004 "CF-BadRequest";
    /// No token came with the request.
    not_authenticated = 401 10002 "CF-NotAuthenticated";
    /// The caller may see the object but not do this.
    not_authorized = 403 10003 "CF-NotAuthorized";
    /// A query parameter is unknown or has a bad value.
    bad_query_parameter = 400 10005 "CF-BadQueryParameter";
    /// There is no such endpoint.
    unknown_request = 404 10000 "CF-NotFound";
    /// Something went wrong on our side; details are in the daemon's log only.
    unknown = 500 10001 "CF-UnknownError";
    /// The request is well formed but cannot be carried out.
    unprocessable = 422 10008 "CF-UnprocessableEntity";
    /// There is no such object, or the caller may not see it.
    not_found_detail = 404 10010 "CF-ResourceNotFound";
    /// A name is taken.
    uniqueness = 422 10016 "CF-UniquenessError";
    /// Too many requests.
    rate_limited = 429 10013 "CF-RateLimitExceeded";
    /// The platform cannot do it now.
    unavailable = 503 10015 "CF-ServiceUnavailable";
    /// The organization is suspended.
    org_suspended = 403 10017 "CF-OrgSuspended";
    /// The upload is larger than allowed.
    too_large = 413 10008 "CF-UnprocessableEntity";
    /// The package has its bits already.
    bits_uploaded = 400 150004 "CF-PackageBitsAlreadyUploaded";
    /// Another build of the app is running.
    staging_in_progress = 422 170017 "CF-StagingInProgress";
    /// What the instance was made with is not kept.
    no_instance_parameters = 400 120004 "CF-ServiceFetchInstanceParametersNotSupported";
    /// What the binding was made with is not kept.
    no_binding_parameters = 502 120005 "CF-ServiceFetchBindingParametersNotSupported";
    /// Images may not be pushed.
    docker_disabled = 400 320003 "CF-DockerDisabled";
    /// A feature flag forbids it.
    feature_disabled = 403 330002 "CF-FeatureDisabled";
    /// There is no such feature flag.
    feature_flag_not_found = 404 330000 "CF-FeatureFlagNotFound";
}

impl Error {
    /// `<resource> not found`, which clients match exactly.
    #[must_use]
    pub fn not_found(resource: &str) -> Self {
        Self::not_found_detail(format!("{resource} not found"))
    }

    /// The caller may see the object but not do this, in Cloud Foundry's words.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::not_authorized("You are not authorized to perform the requested action")
    }

    /// One error's JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "code": self.code, "title": self.title, "detail": self.detail })
    }
}
