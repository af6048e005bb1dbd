//! Which certificate a client is shown.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{ServerName, pem},
    server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache},
    sign::CertifiedKey,
};

use super::{Config, KeyFiles, OwnNames, authority::Authority, files::Configured};

/// Names whose certificates are kept; past that the oldest goes.
const KEPT_NAMES: usize = 1024;

/// Age at which a certificate of our own is made anew, long before it ends.
const RENEW: Duration = Duration::from_secs(30 * 86_400);

/// Sessions of TLS 1.2 that are kept for clients without tickets.
const SESSIONS: usize = 4096;

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
    /// TLS could not be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

/// The certificates of the platform: configured ones, and those of its own authority.
pub struct Certs {
    resolver: Arc<Resolver>,
    server: Arc<ServerConfig>,
}

impl fmt::Debug for Certs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certs")
            .field("resolver", &self.resolver)
            .finish_non_exhaustive()
    }
}

impl Certs {
    /// Reads the configured certificates and opens the platform's own authority, which is made
    /// where it is not there yet.
    ///
    /// # Errors
    /// Where a file cannot be read or used.
    pub fn open(config: Config) -> Result<Arc<Self>, CertsError> {
        let authority = Authority::open(&config.dir)?;
        let mut addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        addresses.extend(config.addresses);
        let configured = config
            .files
            .iter()
            .map(Configured::read)
            .collect::<Result<_, _>>()?;
        let resolver = Arc::new(Resolver {
            authority,
            addresses,
            own: config.own,
            files: config.files,
            configured: ArcSwap::from_pointee(configured),
            made: RwLock::default(),
        });
        // Whether certificates can be made shows now rather than at the first client.
        resolver.local()?;
        let mut server = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(CertsError::Tls)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&resolver) as Arc<dyn ResolvesServerCert>);
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        server.ticketer = aws_lc_rs::Ticketer::new().map_err(CertsError::Tls)?;
        server.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        Ok(Arc::new(Self {
            resolver,
            server: Arc::new(server),
        }))
    }

    /// What a TLS server needs; clones share certificates and sessions.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// The certificate of the platform's own authority, for clients that choose to trust it.
    #[must_use]
    pub fn ca_pem_path(&self) -> &Path {
        self.resolver.authority.pem_path()
    }

    /// Reads the configured certificates again. One that is bad now stays as it was.
    ///
    /// # Errors
    /// Why certificates could not be replaced, one error for each; the others were.
    pub fn reload(&self) -> Result<(), Vec<CertsError>> {
        let resolver = &self.resolver;
        let before = resolver.configured.load();
        let mut errors = Vec::new();
        let after = resolver
            .files
            .iter()
            .zip(&**before)
            .map(|(files, before)| {
                Configured::read(files).unwrap_or_else(|error| {
                    errors.push(error);
                    before.clone()
                })
            })
            .collect();
        resolver.configured.store(Arc::new(after));
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }
}

/// A certificate of our own and when it was made.
type Made = (Arc<CertifiedKey>, Instant);

/// Finds the certificate for a name.
struct Resolver {
    authority: Authority,
    addresses: Vec<IpAddr>,
    own: OwnNames,
    files: Vec<KeyFiles>,
    /// In the order of `files`.
    configured: ArcSwap<Vec<Configured>>,
    /// By name; the empty one is this machine's.
    made: RwLock<HashMap<Box<str>, Made>>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Resolver {
    fn find(&self, name: Option<&str>) -> Result<Arc<CertifiedKey>, CertsError> {
        let Some(name) = name else {
            return self.local();
        };
        let configured = self.configured.load();
        if let Ok(server_name) = ServerName::try_from(name)
            && let Some(found) = configured.iter().find(|pair| pair.is_for(&server_name))
        {
            return Ok(found.key());
        }
        if name != "localhost" && (self.own)(name) {
            return self.keep(name, || self.authority.sign(&[name], &[]));
        }
        // A client that asks for a name of nobody's gets some certificate and an error that
        // it can explain, rather than a handshake that fails.
        match configured.first() {
            Some(first) if name != "localhost" => Ok(first.key()),
            _ => self.local(),
        }
    }

    /// The certificate for clients that use an address or `localhost`.
    fn local(&self) -> Result<Arc<CertifiedKey>, CertsError> {
        self.keep("", || self.authority.sign(&["localhost"], &self.addresses))
    }

    fn keep(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<CertifiedKey, CertsError>,
    ) -> Result<Arc<CertifiedKey>, CertsError> {
        let made = self
            .made
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((found, at)) = made.get(name)
            && at.elapsed() < RENEW
        {
            return Ok(Arc::clone(found));
        }
        drop(made);
        let key = Arc::new(make()?);
        let mut made = self
            .made
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if made.len() >= KEPT_NAMES
            && let Some(oldest) = made
                .iter()
                .min_by_key(|(_, (_, at))| *at)
                .map(|(name, _)| name.clone())
        {
            made.remove(&oldest);
        }
        made.insert(name.into(), (Arc::clone(&key), Instant::now()));
        Ok(key)
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        self.find(name.as_deref())
            .inspect_err(|error| tracing::error!(%error, name, "no certificate for a client"))
            .ok()
    }
}

#[cfg(test)]
mod tests;
