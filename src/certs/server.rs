//! What a TLS server needs.

use std::{fmt, path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ResolvesServerCert, ServerSessionMemoryCache},
};

use super::{CertsError, Config, resolver::Resolver};

/// Sessions of TLS 1.2 that are kept for clients without tickets.
const SESSIONS: usize = 4096;

/// The certificates of the platform: configured ones, and those of its own authority.
pub struct Certs {
    pub(super) resolver: Arc<Resolver>,
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
        let resolver = Arc::new(Resolver::open(config)?);
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
        self.resolver.ca_pem_path()
    }

    /// Reads the configured certificates again. One that is bad now stays as it was.
    ///
    /// # Errors
    /// Why certificates could not be replaced, one error for each; the others were.
    pub fn reload(&self) -> Result<(), Vec<CertsError>> {
        let errors = self.resolver.reload();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }
}
