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
    no_binding_parameters = 400 90007 "CF-ServiceFetchBindingParametersNotSupported";
    /// Something is related to what it cannot be related to.
    invalid_relation = 400 1002 "CF-InvalidRelation";
    /// Something did not come to a good end.
    unable_to_perform = 400 10009 "CF-UnableToPerform";
    /// It took too long.
    job_timeout = 524 290006 "CF-JobTimeout";
    /// The instance is no instance yet, or never became one.
    service_instance_gone = 404 60004 "CF-ServiceInstanceNotFound";
    /// A broker is at the instance.
    service_operation_in_progress = 409 60016 "CF-AsyncServiceInstanceOperationInProgress";
    /// A broker is at a binding of the instance.
    binding_operation_in_progress = 409 90008 "CF-AsyncServiceBindingOperationInProgress";
    /// The route goes through the instance already.
    bound_to_same_route = 422 130008 "CF-ServiceInstanceAlreadyBoundToSameRoute";
    /// There are instances of what the broker offers.
    broker_not_removable = 422 270010 "CF-ServiceBrokerNotRemovable";
    /// The catalog of a broker is none.
    broker_catalog_invalid = 502 270012 "CF-ServiceBrokerCatalogInvalid";
    /// The broker did not want to show its catalog.
    broker_request_rejected = 502 270020 "CF-ServiceBrokerRequestRejected";
    /// What the broker shows is no catalog.
    broker_request_malformed = 502 270021 "CF-ServiceBrokerRequestMalformed";
    /// Bindings in another space stand against the end of sharing.
    unshare_failed = 502 390001 "CF-ServiceInstanceUnshareFailed";
    /// Something in a space stands against its end.
    space_deletion_failed = 502 290008 "CF-SpaceDeletionFailed";
    /// Something in an organization stands against its end.
    organization_deletion_failed = 502 290010 "CF-OrganizationDeletionFailed";
    /// Images may not be pushed.
    docker_disabled = 400 320003 "CF-DockerDisabled";
    /// A deployment replaces the process that should be scaled.
    scale_in_flight = 422 390016 "CF-ScaleDisabledDuringDeployment";
    /// A deployment replaces the process that should be changed.
    update_in_flight = 422 390017 "CF-ProcessUpdateDisabledDuringDeployment";
    /// A deployment replaces instances of the app that should stop.
    stop_in_flight = 422 390024 "CF-StopDisabledDuringDeployment";
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
