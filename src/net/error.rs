//! What can go wrong on the way out.

use std::{error::Error, io, path::PathBuf, time::Duration};

use super::LookupError;

type Cause = Box<dyn Error + Send + Sync>;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The file of certificate authorities cannot be used.
    #[error("cannot use the certificates in {}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Cause,
    },
    /// TLS could not be set up on our side.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// The server's certificate is not one that we trust.
    #[error("the certificate of {server} is not trusted")]
    Certificate {
        /// Host and port.
        server: String,
        /// What is wrong with it.
        source: Cause,
    },
    /// Nobody is asked at such an address.
    #[error("{server} is not asked")]
    Refused {
        /// Host and port.
        server: String,
        /// Why not.
        source: LookupError,
    },
    /// There is no connection.
    #[error("cannot connect to {server}")]
    Connect {
        /// Host and port.
        server: String,
        /// What was tried.
        source: Cause,
    },
    /// The connection broke before the answer was complete.
    #[error("the connection to {server} broke")]
    Broken {
        /// Host and port.
        server: String,
        /// What happened.
        source: Cause,
    },
    /// Nothing moved for too long.
    #[error("{server} did not answer within {} s", after.as_secs())]
    Timeout {
        /// Host and port.
        server: String,
        /// How long was waited.
        after: Duration,
    },
    /// The answer is longer than what the caller takes.
    #[error("the answer of {server} is longer than {limit} bytes")]
    TooLarge {
        /// Host and port.
        server: String,
        /// Most bytes that are taken.
        limit: usize,
    },
}

impl NetError {
    /// What whoever named the address may know. Causes tell of the platform's network, so there
    /// is none but of an address that nobody is asked at, and of keys that they gave.
    #[must_use]
    pub fn for_users(&self) -> String {
        match self {
            Self::Refused { source, .. } => format!("{self}: {source}"),
            Self::Tls(source) => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }

    /// The error of a handshake with `server`.
    pub(super) fn of_handshake(server: String, source: io::Error) -> Self {
        if certificate_is_at_fault(&source) {
            let source = source.into();
            return Self::Certificate { server, source };
        }
        let source = source.into();
        Self::Connect { server, source }
    }

    /// The error of a request to `server` that the HTTP client gave up on.
    pub(super) fn of_request(server: String, source: hyper_util::client::legacy::Error) -> Self {
        if let Some(private) = private_address(&source) {
            return Self::Refused {
                server,
                source: private,
            };
        }
        if certificate_is_at_fault(&source) {
            return Self::Certificate {
                server,
                source: source.into(),
            };
        }
        if source.is_connect() {
            Self::Connect {
                server,
                source: source.into(),
            }
        } else {
            Self::Broken {
                server,
                source: source.into(),
            }
        }
    }
}

/// What the lookup said of an address that nobody is to be asked at.
fn private_address(error: &(dyn Error + 'static)) -> Option<LookupError> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(LookupError::Private { host, address }) = current.downcast_ref() {
            return Some(LookupError::Private {
                host: host.clone(),
                address: *address,
            });
        }
        next = current.source();
    }
    None
}

/// Whether a rejected certificate stands somewhere among the causes of `error`.
fn certificate_is_at_fault(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = current.downcast_ref() {
            return true;
        }
        // An `io::Error` names its content's cause as its own cause and skips the content.
        next = match current
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => current.source(),
        };
    }
    false
}
