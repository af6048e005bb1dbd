//! Why an action was refused.

use crate::{
    blobs::BlobError,
    brokers::BrokerError,
    model::{Breach, InvalidId, InvalidName, InvalidSize},
    store::StoreError,
    wire::Error,
};

/// Why an action was refused or failed. The API turns it into Cloud Foundry's table of errors.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// There is no such object, or the caller may not see it; the text names the kind: `App`.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The caller may see it but not do this.
    #[error("not authorized")]
    Forbidden,
    /// The organization is suspended.
    #[error("the organization is suspended")]
    OrgSuspended,
    /// Well formed, but it cannot be carried out.
    #[error("{0}")]
    Unprocessable(String),
    /// Several things are wrong at once.
    #[error("{}", .0.join("; "))]
    Several(Vec<String>),
    /// A feature flag stops it; the text is its own, or its name.
    #[error("Feature Disabled: {0}")]
    FeatureDisabled(String),
    /// More would be used than quotas allow.
    #[error("{}", super::quotas::words(.0))]
    Quota(Vec<Breach>),
    /// A name is taken.
    #[error("{0}")]
    Taken(String),
    /// The request as such is wrong.
    #[error("{0}")]
    BadRequest(String),
    /// Another entry of Cloud Foundry's table of errors.
    #[error("{0}")]
    Listed(Error),
    /// A service broker did not do what it was asked for.
    #[error("{0}")]
    Broker(#[from] BrokerError),
    /// Images may not be pushed here.
    #[error("Docker support has not been enabled.")]
    DockerDisabled,
    /// The package has its bits already.
    #[error("bits have already been uploaded")]
    BitsUploaded,
    /// Another build of the app is running.
    #[error("only one build can be STAGING at a time per application")]
    StagingInProgress,
    /// A deployment replaces the process that should be scaled.
    #[error("Cannot scale this process while a deployment is in flight.")]
    ScaleInFlight,
    /// A deployment replaces the process that should be changed.
    #[error("Cannot update this process while a deployment is in flight.")]
    UpdateInFlight,
    /// A deployment replaces instances of the app that should stop.
    #[error(
        "Cannot stop the app while a deployment is in progress, please cancel the deployment \
         before stopping the app."
    )]
    StopInFlight,
    /// Bits could not be kept.
    #[error("the upload could not be kept")]
    Blob(#[from] BlobError),
    /// The change could not be made durable.
    #[error("the change could not be saved")]
    Store(#[from] StoreError),
}

impl From<InvalidName> for ActionError {
    fn from(error: InvalidName) -> Self {
        Self::Unprocessable(error.to_string())
    }
}

impl From<InvalidSize> for ActionError {
    fn from(error: InvalidSize) -> Self {
        Self::Unprocessable(error.to_string())
    }
}

impl From<InvalidId> for ActionError {
    fn from(error: InvalidId) -> Self {
        Self::Unprocessable(error.to_string())
    }
}
