//! An authority of the platform: made once, kept in two files, and the issuer of certificates.

use std::{
    fs::{self, DirBuilder, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PublicKeyData,
};
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::CertsError;

/// How long the authority lives: longer than the machine, since trust in it is given by hand.
const LIFE: Duration = Duration::from_secs(20 * 365 * 86_400);

/// Clocks of others may be behind ours.
pub(super) const CLOCK_SLACK: Duration = Duration::from_secs(86_400);

/// One authority.
pub(super) struct Root {
    pub(super) key: KeyPair,
    /// What it is called, as whoever signs in its name has to say it.
    pub(super) params: CertificateParams,
    pub(super) certificate: CertificateDer<'static>,
    /// Where others find what to trust.
    pub(super) pem_path: PathBuf,
}

impl Root {
    /// Opens the authority `name` in `dir`, or makes it there.
    pub(super) fn open(dir: &Path, name: &str, title: &str) -> Result<Self, CertsError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| CertsError::Authority { path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(dir)
            .map_err(at(dir))?;
        let key_path = dir.join(format!("{name}.key"));
        let pem_path = dir.join(format!("{name}.pem"));

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
        let params = params(&key, title);
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
        Ok(Self {
            key,
            params,
            certificate,
            pem_path,
        })
    }
}

/// The authority's description, the same whenever it is made of the same key.
fn params(key: &KeyPair, title: &str) -> CertificateParams {
    let mark = Sha256::digest(key.der_bytes());
    let mark: String = mark[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("{title} {mark}"));
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Pastina");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let now = OffsetDateTime::now_utc();
    params.not_before = now - CLOCK_SLACK;
    params.not_after = now + LIFE;
    params
}

pub(super) fn der(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

/// Writes a file whole or not at all. It is never readable by more than `mode` says.
pub(super) fn write(dir: &Path, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    // A temporary file begins with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    fs::File::open(dir)?.sync_all()
}
