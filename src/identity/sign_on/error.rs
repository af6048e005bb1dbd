//! Why somebody is not signed on.

use std::error::Error;

/// Why a sign-on with another's account failed. The texts are for whoever tried; causes are for
/// the operator.
#[derive(Debug, thiserror::Error)]
pub enum SignOnError {
    /// No such provider.
    #[error("There is no identity provider '{0}'.")]
    Unknown(String),
    /// Nobody left from here with that.
    #[error(
        "This sign-on was begun more than ten minutes ago, in another browser, or has been used."
    )]
    Stale,
    /// The provider says no.
    #[error("{title} did not sign you on ({why}).")]
    Refused {
        /// The provider.
        title: String,
        /// The code of its refusal.
        why: String,
    },
    /// The provider could not be asked.
    #[error("{title} cannot be asked at the moment.")]
    Unreachable {
        /// The provider.
        title: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// What the provider says cannot be believed or used.
    #[error("The answer of {title} cannot be used: {why}.")]
    Unusable {
        /// The provider.
        title: String,
        /// What is wrong with it.
        why: String,
    },
}
