//! Whom an outgoing connection trusts.

use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

use super::NetError;

/// How a server's certificate is checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Verify {
    /// Against the machine's certificate authorities.
    #[default]
    System,
    /// Against the machine's authorities and those in a PEM file.
    With(PathBuf),
    /// Against the machine's authorities and those in `ca`, in PEM; `identity` says who we are.
    Given {
        /// More authorities.
        ca: Option<String>,
        /// What is shown to servers that ask.
        identity: Option<Identity>,
    },
    /// Not at all. Only ever at the explicit wish of a user.
    Skip,
}

/// A certificate of our own.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The chain in PEM.
    pub certificate: String,
    /// Its private key in PEM.
    pub key: String,
}

// The key is a secret.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

/// The certificates in a PEM file.
///
/// # Errors
/// [`NetError::CaFile`] where it cannot be read or holds none.
pub fn certificates(path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, NetError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| NetError::CaFile {
        path: path.to_owned(),
        source,
    };
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(error.into()))?;
    if found.is_empty() {
        return Err(failed("there is no certificate in the file".into()));
    }
    Ok(found)
}

/// The machine's authorities, some 100 KB that all share. A machine without any can still reach
/// what an extra file vouches for.
static MACHINE: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(roots)
});

/// TLS as a client, with the one crypto library of the platform.
pub(super) fn client_config(verify: &Verify) -> Result<ClientConfig, NetError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(NetError::Tls)?;
    if *verify == Verify::Skip {
        let verifier = Arc::new(AnyCertificate(provider));
        return Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth());
    }
    let builder = builder.with_root_certificates(roots(verify)?);
    let Verify::Given {
        identity: Some(Identity { certificate, key }),
        ..
    } = verify
    else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|_| no_pem("certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| no_pem("key"))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(NetError::Tls)
}

fn no_pem(what: &str) -> NetError {
    NetError::Tls(rustls::Error::General(format!("the {what} is no PEM")))
}

/// Who is trusted.
fn roots(verify: &Verify) -> Result<Arc<RootCertStore>, NetError> {
    let mut roots = Arc::clone(&MACHINE);
    match verify {
        Verify::With(path) => {
            for certificate in certificates(path)? {
                let added = Arc::make_mut(&mut roots).add(certificate);
                added.map_err(|error| NetError::CaFile {
                    path: path.clone(),
                    source: error.into(),
                })?;
            }
        }
        Verify::Given { ca: Some(ca), .. } => {
            for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
                let certificate = certificate.map_err(|_| no_pem("authority"))?;
                let added = Arc::make_mut(&mut roots).add(certificate);
                added.map_err(NetError::Tls)?;
            }
        }
        Verify::System | Verify::Given { ca: None, .. } | Verify::Skip => {}
    }
    Ok(roots)
}

/// Accepts whatever certificate is shown; the signatures of the handshake are still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
