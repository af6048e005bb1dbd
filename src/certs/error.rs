//! Why certificates cannot be used.

use std::path::PathBuf;

use rustls::pki_types::pem;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// The platform's own authority cannot be read or made.
    #[error("cannot keep the platform's authority at {}", path.display())]
    Authority {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the platform's own authority is not what it was.
    #[error(
        "{} is damaged or belongs to another key; restore it, or remove ca.key and ca.pem beside \
         it to have a new authority made, which clients then have to trust again", path.display()
    )]
    AuthorityBroken {
        /// The file.
        path: PathBuf,
    },
    /// A configured file cannot be read.
    #[error("cannot read {} as PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// A configured file has no certificate.
    #[error("{} holds no certificate", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A configured certificate and key do not belong together or are of a kind not known.
    #[error("{} and {} cannot be used together", cert.display(), key.display())]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// The certificate of an instance could not be kept.
    #[error("cannot write {}", path.display())]
    Credentials {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A certificate could not be read or written in its own form.
    #[error("cannot put a certificate together")]
    Form(#[from] x509_cert::der::Error),
    /// TLS could not be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}
