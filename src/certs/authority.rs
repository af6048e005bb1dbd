//! The platform's authority for its own names: made once, trusted by whoever chooses to.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls::{crypto::aws_lc_rs, pki_types::CertificateDer, sign::CertifiedKey};
use time::OffsetDateTime;

use super::{
    CertsError,
    root::{CLOCK_SLACK, Root, der},
};

/// The name of its files.
pub(super) const NAME: &str = "ca";

/// How long a certificate lives. Some clients refuse more than 398 days.
const LEAF_LIFE: Duration = Duration::from_secs(90 * 86_400);

/// An authority that signs for the platform's names.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem_path: PathBuf,
    /// One key for every certificate: they change with their names, not with their secret.
    leaf_key: KeyPair,
    leaf_signer: Arc<dyn rustls::sign::SigningKey>,
}

impl Authority {
    /// Opens the authority in `dir`, or makes it there.
    pub(super) fn open(dir: &Path) -> Result<Self, CertsError> {
        let root = Root::open(dir, NAME, "Pastina local authority")?;
        let leaf_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let leaf_signer = aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(der(&leaf_key))
            .map_err(CertsError::Tls)?;
        Ok(Self {
            issuer: Issuer::new(root.params, root.key),
            certificate: root.certificate,
            pem_path: root.pem_path,
            leaf_key,
            leaf_signer,
        })
    }

    /// Where clients find what to trust.
    pub(super) fn pem_path(&self) -> &Path {
        &self.pem_path
    }

    /// A certificate for these names and addresses.
    pub(super) fn sign(
        &self,
        names: &[&str],
        addresses: &[IpAddr],
    ) -> Result<CertifiedKey, CertsError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let title = names.first().copied().unwrap_or("localhost");
        // The field has room for 64 letters (RFC 5280, ub-common-name); names count elsewhere.
        let title: String = title.chars().take(64).collect();
        params.distinguished_name.push(DnType::CommonName, title);
        for name in names {
            params
                .subject_alt_names
                .push(SanType::DnsName((*name).try_into()?));
        }
        params
            .subject_alt_names
            .extend(addresses.iter().copied().map(SanType::IpAddress));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        // Without it the number is made of the key, and would be the same for every name.
        params.serial_number = Some(SerialNumber::from_slice(&serial()));
        let now = OffsetDateTime::now_utc();
        params.not_before = now - CLOCK_SLACK;
        params.not_after = now + LEAF_LIFE;
        let leaf = params.signed_by(&self.leaf_key, &self.issuer)?;
        let chain = vec![leaf.der().clone(), self.certificate.clone()];
        Ok(CertifiedKey::new(chain, Arc::clone(&self.leaf_signer)))
    }
}

/// A positive number that no other certificate has.
pub(super) fn serial() -> [u8; 16] {
    let mut serial = uuid::Uuid::new_v4().into_bytes();
    serial[0] = serial[0] & 0x7f | 0x40;
    serial
}
