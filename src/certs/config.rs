//! What the certificates are to be made of.

use std::{fmt, net::IpAddr, path::PathBuf, sync::Arc};

/// Whether a host belongs to the platform's domains. The name is in lower case.
pub type OwnNames = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// One certificate that the operator has configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFiles {
    /// The chain in PEM, the host's certificate first.
    pub cert: PathBuf,
    /// The key in PEM.
    pub key: PathBuf,
}

/// What the certificates are to be made of.
#[derive(Clone)]
pub struct Config {
    /// The folder for the platform's own authority; made where it is not there.
    pub dir: PathBuf,
    /// Certificates of the operator's. The first one is shown for names that none has.
    pub files: Vec<KeyFiles>,
    /// Names for which the platform's own authority vouches.
    pub own: OwnNames,
    /// Addresses of this machine, besides the loopback ones, that clients use without a name.
    pub addresses: Vec<IpAddr>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("dir", &self.dir)
            .field("files", &self.files)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}
