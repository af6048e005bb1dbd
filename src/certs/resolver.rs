//! Which certificate a client is shown.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use rustls::{
    pki_types::ServerName,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{CertsError, Config, KeyFiles, OwnNames, authority::Authority, files::Configured};

/// Names whose certificates are kept; past that the oldest goes.
pub(super) const KEPT_NAMES: usize = 1024;

/// Age at which a certificate of our own is made anew, long before it ends.
const RENEW: Duration = Duration::from_secs(30 * 86_400);

/// A certificate of our own and when it was made.
type Made = (Arc<CertifiedKey>, Instant);

/// Finds the certificate for a name.
pub(super) struct Resolver {
    authority: Authority,
    addresses: Vec<IpAddr>,
    own: OwnNames,
    files: Vec<KeyFiles>,
    /// In the order of `files`.
    configured: ArcSwap<Vec<Configured>>,
    /// By name; the empty one is this machine's.
    pub(super) made: RwLock<HashMap<Box<str>, Made>>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Resolver {
    pub(super) fn open(config: Config) -> Result<Self, CertsError> {
        let mut addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        addresses.extend(config.addresses);
        let configured = config
            .files
            .iter()
            .map(Configured::read)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            authority: Authority::open(&config.dir)?,
            addresses,
            own: config.own,
            files: config.files,
            configured: ArcSwap::from_pointee(configured),
            made: RwLock::default(),
        })
    }

    /// The certificate of the platform's own authority.
    pub(super) fn ca_pem_path(&self) -> &Path {
        self.authority.pem_path()
    }

    /// Reads the configured certificates again. Gives what is wrong with those that stay as
    /// they were.
    pub(super) fn reload(&self) -> Vec<CertsError> {
        let before = self.configured.load();
        let mut errors = Vec::new();
        let read = |(files, before): (&KeyFiles, &Configured)| {
            Configured::read(files).unwrap_or_else(|error| {
                errors.push(error);
                before.clone()
            })
        };
        let after = self.files.iter().zip(&**before).map(read).collect();
        self.configured.store(Arc::new(after));
        errors
    }

    pub(super) fn find(&self, name: Option<&str>) -> Result<Arc<CertifiedKey>, CertsError> {
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
    pub(super) fn local(&self) -> Result<Arc<CertifiedKey>, CertsError> {
        self.keep("", || self.authority.sign(&["localhost"], &self.addresses))
    }

    fn keep(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<CertifiedKey, CertsError>,
    ) -> Result<Arc<CertifiedKey>, CertsError> {
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((found, at)) = made.get(name)
            && at.elapsed() < RENEW
        {
            return Ok(Arc::clone(found));
        }
        drop(made);
        let key = Arc::new(make()?);
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
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
