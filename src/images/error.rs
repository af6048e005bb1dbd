//! Why an image cannot be had.

use std::{io, path::Path};

use crate::{net::NetError, stdx::bytes};

/// Why an image could not be pulled or kept.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The registry does not have it, or does not say so.
    #[error("registry {registry} says: image {image} not found{hint}")]
    NotFound {
        /// The registry.
        registry: String,
        /// Path and tag.
        image: String,
        /// What else it may be.
        hint: &'static str,
    },
    /// The registry wants to know who asks.
    #[error(
        "image {image} of registry {registry} needs a login: give --docker-username, and the password in \
         CF_DOCKER_PASSWORD (some registries say so of images that they do not have, too)"
    )]
    NeedsLogin {
        /// The registry.
        registry: String,
        /// Path and tag.
        image: String,
    },
    /// The registry knows who asks, and says no.
    #[error("registry {registry} refuses the login of {username} to image {image}{said}")]
    LoginRefused {
        /// The registry.
        registry: String,
        /// Path and tag.
        image: String,
        /// Who asked.
        username: String,
        /// What the registry said.
        said: String,
    },
    /// The registry answered with something else.
    #[error("registry {registry} answered {status}{said}")]
    Answer {
        /// The registry.
        registry: String,
        /// Status code.
        status: u16,
        /// What the registry said.
        said: String,
    },
    /// The registry could not be reached.
    #[error("cannot reach registry {registry}")]
    Unreachable {
        /// The registry.
        registry: String,
        /// Why.
        source: NetError,
    },
    /// It is somewhere that tenants have no business.
    #[error(
        "registry {registry} is at an address of this machine or of a private network ({address}), \
         which the operator has to allow: images.local_registries"
    )]
    Private {
        /// The registry.
        registry: String,
        /// Where it led.
        address: String,
    },
    /// The registry or the image is not what it should be.
    #[error("{what} {why}")]
    Refused {
        /// What of it: the manifest, a layer, an entry of it.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// More than is taken.
    #[error("{what} is larger than the limit of {limit}")]
    TooLarge {
        /// What is.
        what: String,
        /// The limit, for people.
        limit: String,
    },
    /// Layers that are not there any more.
    #[error("the layers of image {0} are not kept any more: restage the app")]
    Gone(String),
    /// Something on this machine.
    #[error("cannot {what}")]
    Io {
        /// What was attempted.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl ImageError {
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(super) fn at<'a>(verb: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io {
            what: format!("{verb} {}", path.display()),
            source,
        }
    }

    pub(super) fn refused(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Refused {
            what: what.into(),
            why: why.into(),
        }
    }

    pub(super) fn too_large(what: impl Into<String>, limit: u64) -> Self {
        Self::TooLarge {
            what: what.into(),
            limit: bytes::display(limit),
        }
    }

    /// Whether this machine, and neither the registry nor the user, is at fault.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::Io { .. })
    }

    /// Whether another try may help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => matches!(
                source,
                NetError::Broken { .. } | NetError::Timeout { .. } | NetError::Connect { .. }
            ),
            Self::Answer { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }
}

/// What somebody else's server says, fit to be shown: short, one line, no control characters.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 200;
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MOST)
        .collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}
