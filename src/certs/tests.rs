//! Certificates by name, and their reload.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::{ParsedCertificate, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use tempfile::TempDir;
use x509_cert::{Certificate, der::Decode as _};

use super::{resolver::KEPT_NAMES, *};
use crate::model::{AppId, OrgId, SpaceId};

fn config(dir: &TempDir, files: Vec<KeyFiles>) -> Config {
    Config {
        dir: dir.path().join("certs"),
        files,
        own: Arc::new(|name| name.ends_with(".apps.kr")),
        addresses: vec!["10.9.8.7".parse().unwrap()],
    }
}

fn shown(certs: &Certs, name: Option<&str>) -> Arc<CertifiedKey> {
    certs.resolver.find(name).unwrap()
}

fn is_for(key: &CertifiedKey, name: &str) -> bool {
    let cert = ParsedCertificate::try_from(&key.cert[0]).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    rustls::client::verify_server_name(&cert, &name).is_ok()
}

fn write_pair(dir: &TempDir, name: &str) -> KeyFiles {
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let files = KeyFiles {
        cert: dir.path().join("c.pem"),
        key: dir.path().join("k.pem"),
    };
    fs::write(&files.cert, cert.pem()).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    files
}

#[test]
fn the_authority_is_made_once_and_its_key_is_private() {
    let dir = TempDir::new().unwrap();
    let first = Certs::open(config(&dir, vec![])).unwrap();
    let pem = fs::read(first.ca_pem_path()).unwrap();
    let mode = |name| {
        fs::metadata(dir.path().join("certs").join(name))
            .unwrap()
            .mode_bits()
    };
    assert_eq!((mode("ca.key"), mode("ca.pem")), (0o600, 0o644));
    let second = Certs::open(config(&dir, vec![])).unwrap();
    assert_eq!(fs::read(second.ca_pem_path()).unwrap(), pem);
    let leaf = |certs: &Certs| shown(certs, None).cert[1].clone();
    assert_eq!(leaf(&first), leaf(&second));

    fs::write(
        dir.path().join("certs/ca.key"),
        KeyPair::generate().unwrap().serialize_pem(),
    )
    .unwrap();
    let error = Certs::open(config(&dir, vec![])).unwrap_err();
    assert!(
        matches!(error, CertsError::AuthorityBroken { .. }),
        "{error}"
    );
}

trait ModeBits {
    fn mode_bits(&self) -> u32;
}

impl ModeBits for fs::Metadata {
    fn mode_bits(&self) -> u32 {
        self.permissions().mode() & 0o777
    }
}

#[test]
fn own_names_get_certificates_of_their_own_and_others_do_not() {
    let dir = TempDir::new().unwrap();
    let certs = Certs::open(config(&dir, vec![])).unwrap();
    let shop = shown(&certs, Some("shop.apps.kr"));
    assert!(is_for(&shop, "shop.apps.kr") && !is_for(&shop, "x.apps.kr"));
    assert!(Arc::ptr_eq(&shop, &shown(&certs, Some("shop.apps.kr"))));
    for local in [None, Some("localhost"), Some("elsewhere.kr")] {
        let local = shown(&certs, local);
        assert!(is_for(&local, "localhost") && is_for(&local, "127.0.0.1"));
        assert!(is_for(&local, "::1") && is_for(&local, "10.9.8.7"));
    }
    for number in 0..KEPT_NAMES + 10 {
        shown(&certs, Some(&format!("n{number}.apps.kr")));
    }
    assert_eq!(certs.resolver.made.read().unwrap().len(), KEPT_NAMES);
}

#[test]
fn a_configured_certificate_is_preferred_and_a_bad_new_one_keeps_the_old() {
    let dir = TempDir::new().unwrap();
    let files = write_pair(&dir, "shop.apps.kr");
    let certs = Certs::open(config(&dir, vec![files.clone()])).unwrap();
    let before = shown(&certs, Some("shop.apps.kr"));
    assert_eq!(before.cert.len(), 1);
    assert!(Arc::ptr_eq(&before, &shown(&certs, Some("elsewhere.kr"))));
    assert!(is_for(
        &shown(&certs, Some("other.apps.kr")),
        "other.apps.kr"
    ));
    assert!(is_for(&shown(&certs, None), "127.0.0.1"));

    let other = KeyPair::generate().unwrap();
    fs::write(&files.key, other.serialize_pem()).unwrap();
    let errors = certs.reload().unwrap_err();
    assert!(
        matches!(errors[..], [CertsError::Pair { .. }]),
        "{errors:?}"
    );
    assert!(Arc::ptr_eq(&before, &shown(&certs, Some("shop.apps.kr"))));

    write_pair(&dir, "shop.apps.kr");
    certs.reload().unwrap();
    assert!(!Arc::ptr_eq(&before, &shown(&certs, Some("shop.apps.kr"))));
}

const DAY: Duration = Duration::from_secs(86_400);

fn bearer() -> Bearer {
    Bearer {
        org: OrgId::random(),
        space: SpaceId::random(),
        app: AppId::random(),
    }
}

#[test]
fn an_instance_is_vouched_for_as_client_and_server_for_its_day() {
    let dir = TempDir::new().unwrap();
    let certs = Certs::open(config(&dir, vec![])).unwrap();
    let authority = InstanceAuthority::open(&dir.path().join("certs"), DAY).unwrap();
    let (guid, bearer) = (uuid::Uuid::new_v4().to_string(), bearer());
    let made = authority.issue(&guid, &bearer).unwrap();
    assert!(made.key.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    assert!(!format!("{made:?}").contains("PRIVATE"));

    let chain: Vec<_> = CertificateDer::pem_slice_iter(made.certificate.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap();
    // It refuses a key that is not the certificate's.
    CertifiedKey::from_der(chain.clone(), key, &aws_lc_rs::default_provider()).unwrap();

    let mut roots = RootCertStore::empty();
    let trusted = fs::read(authority.trusted().join("trusted-ca-2.crt")).unwrap();
    roots
        .add(CertificateDer::from_pem_slice(&trusted).unwrap())
        .unwrap();
    let (roots, provider) = (Arc::new(roots), Arc::new(aws_lc_rs::default_provider()));
    let servers =
        WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
    let servers = servers.build().unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(roots, provider);
    let clients = clients.build().unwrap();
    let now = UnixTime::now();
    let later = |add: Duration| {
        let now = Duration::from_secs(now.as_secs());
        UnixTime::since_unix_epoch(now + add)
    };
    clients.verify_client_cert(&chain[0], &[], now).unwrap();
    for name in [guid.as_str(), "127.0.0.1"] {
        let name = ServerName::try_from(name).unwrap();
        let as_server = |at| {
            servers
                .verify_server_cert(&chain[0], &chain[1..], &name, &[], at)
                .is_ok()
        };
        assert!(as_server(now) && as_server(later(DAY - Duration::from_secs(60))));
        assert!(!as_server(later(DAY + Duration::from_secs(60))));
    }
    let of_gateway = shown(&certs, None).cert[0].clone();
    assert!(clients.verify_client_cert(&of_gateway, &[], now).is_err());

    let read = Certificate::from_der(&chain[0]).unwrap();
    let subject = read.tbs_certificate().subject().to_string();
    let Bearer { org, space, app } = bearer;
    for part in [
        format!("CN={guid}"),
        format!("OU=organization:{org}"),
        format!("OU=space:{space}"),
        format!("OU=app:{app}"),
    ] {
        assert!(subject.contains(&part), "{subject}");
    }
}

#[test]
fn a_certificate_is_made_anew_in_the_middle_of_its_life_and_each_with_another_key() {
    let dir = TempDir::new().unwrap();
    let authority = InstanceAuthority::open(&dir.path().join("certs"), DAY).unwrap();
    let again = InstanceAuthority::open(&dir.path().join("certs"), DAY / 4).unwrap();
    let folder = dir.path().join("credentials");
    let now = SystemTime::now();
    assert!(authority.is_due(&folder, now), "there is none yet");
    let write = || {
        let made = authority.issue("a", &bearer()).unwrap();
        made.write(&folder).unwrap();
        made.key
    };
    let first = write();
    assert!(!authority.is_due(&folder, now + DAY / 2 - Duration::from_secs(60)));
    assert!(authority.is_due(&folder, now + DAY / 2 + Duration::from_secs(60)));
    assert!(authority.is_due(&folder, now + 2 * DAY));
    assert!(again.is_due(&folder, now), "its life has been made shorter");
    authority.refill();
    assert_ne!(write(), first);
    assert_ne!(write(), first);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().flatten().collect();
    assert_eq!(files.len(), 2, "{files:?}");
    fs::write(folder.join(CERTIFICATE), "").unwrap();
    assert!(authority.is_due(&folder, now));
}
