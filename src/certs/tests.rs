//! Certificates by name, and their reload.

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

use rcgen::{CertificateParams, KeyPair};
use rustls::{pki_types::ServerName, server::ParsedCertificate, sign::CertifiedKey};
use tempfile::TempDir;

use super::{resolver::KEPT_NAMES, *};

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
