//! Certificates that tell of an instance whose it is, as Cloud Foundry gives them to apps: made
//! for one instance, for a day, and made anew long before its end.
//!
//! They are of an authority of their own: who trusts it takes a client for an app, and nobody for
//! the platform.

use std::{
    fmt, fs,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, TryLockError},
    time::{Duration, SystemTime},
};

use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData as _, RsaKeySize, SigningKey as _};
use serde::{Deserialize, Serialize};
use x509_cert::{
    Certificate,
    der::{
        Any, Decode as _, Encode, Reader as _, SliceReader, Tag, TagNumber,
        asn1::{AnyRef, BitString, Ia5String, OctetStringRef},
        oid::db::rfc5280::{ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH},
        pem,
    },
    ext::{
        Extension, Extensions, ToExtension,
        pkix::{
            AuthorityKeyIdentifier, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
            SubjectKeyIdentifier, name::GeneralName,
        },
    },
    name::Name,
    serial_number::SerialNumber,
    time::Validity,
};

use super::{
    CertsError,
    authority::{self, serial},
    root::{self, Root},
};
use crate::model::{AppId, OrgId, SpaceId};

/// Where an instance finds its certificate and key.
pub const CREDENTIALS: &str = "/etc/cf-instance-credentials";

/// Where everything that runs finds what to trust.
pub const TRUSTED: &str = "/etc/cf-system-certificates";

/// The certificate's file in [`CREDENTIALS`], with that of the authority behind it.
pub const CERTIFICATE: &str = "instance.crt";

/// The key's file in [`CREDENTIALS`].
pub const KEY: &str = "instance.key";

/// Keys that wait to be used. It takes a tenth of a second to find one, which is longer than the
/// start of many an app.
const RESERVE: usize = 4;

/// Who an instance belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bearer {
    /// The organization.
    pub org: OrgId,
    /// The space.
    pub space: SpaceId,
    /// The app.
    pub app: AppId,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Credentials {
    /// The instance's certificate, the authority's behind it.
    pub certificate: String,
    /// The key, in the form that is older than PKCS #8 and that all read.
    pub key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Writes them into `folder`, which is made where it is not there. Each file is there whole
    /// or as it was before; the certificate, which is what programs look at, comes last. What is
    /// above the folder keeps others of the host from it. Blocks on the disk.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        match fs::DirBuilder::new().mode(0o755).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        for (name, text) in [(KEY, &self.key), (CERTIFICATE, &self.certificate)] {
            let new = folder.join(format!(".{name}.new"));
            let _ = fs::remove_file(&new);
            let mut options = fs::OpenOptions::new();
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o444)
                .open(&new)?;
            file.write_all(text.as_bytes())?;
            fs::rename(&new, folder.join(name))?;
        }
        Ok(())
    }
}

/// The authority of instances.
pub struct InstanceAuthority {
    key: KeyPair,
    certificate: Certificate,
    pem: String,
    life: Duration,
    trusted: PathBuf,
    reserve: Mutex<Vec<KeyPair>>,
    filling: Mutex<()>,
}

impl fmt::Debug for InstanceAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceAuthority")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

impl InstanceAuthority {
    /// Opens the authority in `dir`, or makes it there, and puts together beside it what apps
    /// are to trust. Certificates are good for `life`.
    ///
    /// # Errors
    /// Where it cannot be read or made.
    pub fn open(dir: &Path, life: Duration) -> Result<Self, CertsError> {
        let root = Root::open(dir, "instance-ca", "Pastina instance authority")?;
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| CertsError::Authority { path, source }
        };
        let trusted = dir.join("trusted");
        let pem = fs::read_to_string(&root.pem_path).map_err(at(&root.pem_path))?;
        let platform = fs::read_to_string(dir.join(format!("{}.pem", authority::NAME))).ok();
        trust(&trusted, platform.iter().chain([&pem])).map_err(at(&trusted))?;
        let authority = Self {
            certificate: Certificate::from_der(&root.certificate)?,
            key: root.key,
            pem,
            life,
            trusted,
            reserve: Mutex::default(),
            filling: Mutex::default(),
        };
        Ok(authority)
    }

    /// The folder with what apps are to trust.
    #[must_use]
    pub fn trusted(&self) -> &Path {
        &self.trusted
    }

    /// How often to look whether a certificate has to be made anew.
    #[must_use]
    pub fn look(&self) -> Duration {
        (self.life / 8).min(Duration::from_secs(60))
    }

    /// A key and a certificate for the instance `guid` of `bearer`'s. May take a tenth of a
    /// second of the processor.
    ///
    /// # Errors
    /// Where the cryptography fails.
    pub fn issue(&self, guid: &str, bearer: &Bearer) -> Result<Credentials, CertsError> {
        let ready = self.reserve().pop();
        let key = ready.map_or_else(make_key, Ok)?;
        let Bearer { org, space, app } = bearer;
        let subject: Name =
            format!("CN={guid},OU=organization:{org}+OU=space:{space}+OU=app:{app}").parse()?;
        let names = vec![
            GeneralName::DnsName(Ia5String::new(guid)?),
            IpAddr::from(Ipv4Addr::LOCALHOST).into(),
        ];
        let certificate = self.sign(&key, &subject, names)?;
        let certificate = pem::encode_string("CERTIFICATE", pem::LineEnding::LF, &certificate)
            .map_err(x509_cert::der::Error::from)?;
        Ok(Credentials {
            certificate: certificate + &self.pem,
            key: rsa_pem(&key)?,
        })
    }

    /// Makes keys for the next instances, unless somebody does so already. Takes long.
    pub fn refill(&self) {
        let Ok(_filling) = self.filling.try_lock().or_else(|error| match error {
            TryLockError::Poisoned(poisoned) => Ok(poisoned.into_inner()),
            TryLockError::WouldBlock => Err(()),
        }) else {
            return;
        };
        while self.reserve().len() < RESERVE {
            // Whoever needs one will tell what is wrong.
            let Ok(key) = make_key() else { return };
            self.reserve().push(key);
        }
    }

    fn reserve(&self) -> std::sync::MutexGuard<'_, Vec<KeyPair>> {
        self.reserve.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is in `folder` has to be made anew: in the middle of its life, so that it is
    /// good for hours even where no daemon is there to do so.
    #[must_use]
    pub fn is_due(&self, folder: &Path, now: SystemTime) -> bool {
        let read = fs::read(folder.join(CERTIFICATE)).ok();
        let chain = read.and_then(|pem| Certificate::load_pem_chain(&pem).ok());
        let Some(certificate) = chain.as_deref().and_then(<[_]>::first) else {
            return true;
        };
        let end = certificate.tbs_certificate().validity().not_after;
        match end.to_system_time().duration_since(now) {
            // Also where it would be good for too long, since somebody has set the clock.
            Ok(left) => left < self.life / 2 || left > self.life,
            Err(_) => true,
        }
    }

    /// The certificate of `key`, in DER (RFC 5280, section 4.1).
    fn sign(
        &self,
        key: &KeyPair,
        subject: &Name,
        names: Vec<GeneralName>,
    ) -> Result<Vec<u8>, CertsError> {
        let issuer = self.certificate.tbs_certificate();
        let algorithm = self.certificate.signature_algorithm().to_der()?;
        let body = sequence(&[
            explicit(0, &2_u8)?,
            <SerialNumber>::new(&serial())?.to_der()?,
            algorithm.clone(),
            issuer.subject().to_der()?,
            <Validity>::from_now(self.life)?.to_der()?,
            subject.to_der()?,
            key.subject_public_key_info(),
            explicit(3, &self.extensions(subject, names)?)?,
        ])?;
        let signature = BitString::from_bytes(&self.key.sign(&body)?)?;
        Ok(sequence(&[body, algorithm, signature.to_der()?])?)
    }

    fn extensions(
        &self,
        subject: &Name,
        names: Vec<GeneralName>,
    ) -> Result<Extensions, x509_cert::der::Error> {
        let usage =
            KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment | KeyUsages::KeyAgreement;
        let purposes = vec![ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH];
        let mut all: Vec<Extension> = Vec::new();
        all.push((&KeyUsage(usage)).to_extension(subject, &all)?);
        all.push((&ExtendedKeyUsage(purposes)).to_extension(subject, &all)?);
        let issuer = self.certificate.tbs_certificate();
        if let Ok(Some((_, SubjectKeyIdentifier(id)))) = issuer.get_extension() {
            let authority = AuthorityKeyIdentifier {
                key_identifier: Some(id),
                ..AuthorityKeyIdentifier::default()
            };
            all.push((&authority).to_extension(subject, &all)?);
        }
        all.push((&SubjectAltName(names)).to_extension(subject, &all)?);
        Ok(all)
    }
}

fn make_key() -> Result<KeyPair, CertsError> {
    // Of the kind that Diego makes: some libraries that apps bring read no other.
    Ok(KeyPair::generate_rsa_for(
        &PKCS_RSA_SHA256,
        RsaKeySize::_2048,
    )?)
}

/// The key in the form of PKCS #1, out of that of PKCS #8 (RFC 5208, section 5).
fn rsa_pem(key: &KeyPair) -> Result<String, CertsError> {
    let whole = key.serialized_der();
    let mut reader = SliceReader::new(whole)?;
    let inner = reader.sequence(|reader: &mut SliceReader<'_>| {
        u8::decode(reader)?;
        AnyRef::decode(reader)?;
        <&OctetStringRef>::decode(reader)
    })?;
    let pem = pem::encode_string("RSA PRIVATE KEY", pem::LineEnding::LF, inner.as_bytes());
    Ok(pem.map_err(x509_cert::der::Error::from)?)
}

fn sequence(parts: &[Vec<u8>]) -> Result<Vec<u8>, x509_cert::der::Error> {
    Any::new(Tag::Sequence, parts.concat())?.to_der()
}

/// `value` as the optional member `number` of a sequence.
fn explicit(number: u32, value: &impl Encode) -> Result<Vec<u8>, x509_cert::der::Error> {
    let tag = Tag::ContextSpecific {
        constructed: true,
        number: TagNumber(number),
    };
    Any::new(tag, value.to_der()?)?.to_der()
}

/// Puts what is to be trusted into `folder`, a file for each, as Cloud Foundry does.
fn trust<'a>(folder: &Path, all: impl Iterator<Item = &'a String>) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o755).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    for (number, pem) in all.enumerate() {
        let path = folder.join(format!("trusted-ca-{}.crt", number + 1));
        if fs::read_to_string(&path).ok().as_ref() != Some(pem) {
            root::write(folder, &path, pem.as_bytes(), 0o444)?;
        }
    }
    Ok(())
}
