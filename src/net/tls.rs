//! Whom an outgoing connection trusts.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
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
    /// Not at all. Only ever at the explicit wish of a user.
    Skip,
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
    let mut roots = RootCertStore::empty();
    // A machine without authorities can still reach what the extra file vouches for.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Verify::With(path) = verify {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| NetError::CaFile {
                path: path.clone(),
                source: error.into(),
            })?;
        }
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
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
