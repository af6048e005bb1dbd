//! The platform's own authority: made once, trusted by whoever chooses to.

use std::{
    fs::{self, DirBuilder, Permissions},
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
};
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::CertsError;

const KEY_FILE: &str = "ca.key";
const CERT_FILE: &str = "ca.pem";

/// How long the authority lives: longer than the machine, since trust in it is given by hand.
const AUTHORITY_LIFE: Duration = Duration::from_secs(20 * 365 * 86_400);

/// How long a certificate lives. Some clients refuse more than 398 days.
const LEAF_LIFE: Duration = Duration::from_secs(90 * 86_400);

/// Clocks of clients may be behind ours.
const CLOCK_SLACK: Duration = Duration::from_secs(86_400);

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
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| CertsError::Authority { path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(dir)
            .map_err(at(dir))?;
        let (key_path, pem_path) = (dir.join(KEY_FILE), dir.join(CERT_FILE));

        let key = match fs::read_to_string(&key_path) {
            Ok(pem) => KeyPair::from_pem(&pem).map_err(|_| CertsError::AuthorityBroken {
                path: key_path.clone(),
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = KeyPair::generate()?;
                write(dir, &key_path, key.serialize_pem().as_bytes(), 0o600)
                    .map_err(at(&key_path))?;
                key
            }
            Err(error) => return Err(at(&key_path)(error)),
        };
        let params = authority_params(&key);
        let certificate = match fs::read(&pem_path) {
            Ok(pem) => {
                CertificateDer::from_pem_slice(&pem).map_err(|_| CertsError::AuthorityBroken {
                    path: pem_path.clone(),
                })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = params.self_signed(&key)?;
                write(dir, &pem_path, made.pem().as_bytes(), 0o644).map_err(at(&pem_path))?;
                made.der().clone()
            }
            Err(error) => return Err(at(&pem_path)(error)),
        };
        let provider = aws_lc_rs::default_provider();
        CertifiedKey::from_der(vec![certificate.clone()], der(&key), &provider).map_err(|_| {
            CertsError::AuthorityBroken {
                path: pem_path.clone(),
            }
        })?;

        let leaf_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let leaf_signer = provider
            .key_provider
            .load_private_key(der(&leaf_key))
            .map_err(CertsError::Tls)?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
            pem_path,
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
        let mut serial = uuid::Uuid::new_v4().into_bytes();
        serial[0] &= 0x7f;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let now = OffsetDateTime::now_utc();
        params.not_before = now - CLOCK_SLACK;
        params.not_after = now + LEAF_LIFE;
        let leaf = params.signed_by(&self.leaf_key, &self.issuer)?;
        let chain = vec![leaf.der().clone(), self.certificate.clone()];
        Ok(CertifiedKey::new(chain, Arc::clone(&self.leaf_signer)))
    }
}

/// The authority's description, the same whenever it is made of the same key.
fn authority_params(key: &KeyPair) -> CertificateParams {
    let mark = Sha256::digest(key.der_bytes());
    let mark: String = mark[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(
        DnType::CommonName,
        format!("Pastina local authority {mark}"),
    );
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Pastina");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let now = OffsetDateTime::now_utc();
    params.not_before = now - CLOCK_SLACK;
    params.not_after = now + AUTHORITY_LIFE;
    params
}

fn der(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

/// Writes a file whole or not at all. It is never readable by more than `mode` says.
fn write(dir: &Path, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    // A temporary file begins with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    fs::File::open(dir)?.sync_all()
}
