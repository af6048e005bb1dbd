//! What can go wrong with identities.

use std::{io, path::PathBuf};

use crate::store::StoreError;

/// Why identities cannot be had at all.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file could not be read or written.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// `read`, `write`, ...
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file is there but is no RSA key.
    #[error(
        "{} is not an RSA private key in PKCS#8 PEM; put the right file back, or remove it to \
         have a new key made, which ends every login", path.display()
    )]
    BadKey {
        /// The file.
        path: PathBuf,
    },
    /// No key could be made.
    #[error("cannot make a signing key")]
    Generate,
    /// Identity providers could not be asked.
    #[error("cannot set up the client for identity providers")]
    Client(#[source] crate::net::NetError),
}

/// Why somebody gets no token.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No such user, or not their password; which of both is nobody's business.
    #[error("bad credentials")]
    BadCredentials,
    /// No such client, or not its secret.
    #[error("bad client credentials")]
    BadClient,
    /// Nothing of what was asked for may be had.
    #[error("no scope of those that were asked for is the client's")]
    NoScope,
    /// Too many wrong passwords in a row.
    #[error("the account is locked because of too many failed attempts to log in")]
    Locked,
    /// The refresh token is forged, expired or was revoked.
    #[error("the token is not valid or has expired")]
    InvalidToken,
    /// More logins at once than can be computed in reasonable time.
    #[error("too many logins at once")]
    Busy,
    /// The token could not be signed.
    #[error("cannot sign a token")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// The login could not be made durable.
    #[error("the login could not be saved")]
    Store(#[from] StoreError),
}
