//! Certificates that the operator has configured.

use std::sync::Arc;

use rustls::{
    client::verify_server_name,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::ParsedCertificate,
    sign::CertifiedKey,
};

use super::{CertsError, KeyFiles};

/// A certificate and its key, as they were when they were last good.
#[derive(Debug, Clone)]
pub(super) struct Configured(Arc<CertifiedKey>);

impl Configured {
    /// Reads the pair and checks that the two belong together.
    pub(super) fn read(files: &KeyFiles) -> Result<Self, CertsError> {
        let bad = |path: &std::path::Path| {
            let path = path.to_owned();
            move |source| CertsError::Pem { path, source }
        };
        let chain = CertificateDer::pem_file_iter(&files.cert)
            .map_err(bad(&files.cert))?
            .collect::<Result<Vec<_>, _>>()
            .map_err(bad(&files.cert))?;
        let Some(first) = chain.first() else {
            return Err(CertsError::Empty {
                path: files.cert.clone(),
            });
        };
        ParsedCertificate::try_from(first).map_err(|source| CertsError::Pair {
            cert: files.cert.clone(),
            key: files.key.clone(),
            source,
        })?;
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(bad(&files.key))?;
        CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .map(|pair| Self(Arc::new(pair)))
            .map_err(|source| CertsError::Pair {
                cert: files.cert.clone(),
                key: files.key.clone(),
                source,
            })
    }

    /// Whether the certificate is for this host.
    pub(super) fn is_for(&self, name: &ServerName<'_>) -> bool {
        self.0
            .end_entity_cert()
            .and_then(ParsedCertificate::try_from)
            .and_then(|parsed| verify_server_name(&parsed, name))
            .is_ok()
    }

    pub(super) fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0)
    }
}
