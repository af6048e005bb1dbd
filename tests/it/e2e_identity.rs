//! An instance's certificate says whose it is, is made anew while the instance runs, and is for
//! nobody else to read.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use base64::Engine as _;
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use x509_cert::{Certificate, der::Decode as _};

use crate::support::{Api, Daemon, Own, Setup, eventually, example, text};

/// So short that it is made anew while the test looks on.
const LIFE: &str = "apps.certificate_life=8s";

/// Reads both files again and again until the certificate is another one, and fails where one of
/// them is not whole.
const WATCH: &str = r#"
first=$(cat $CF_INSTANCE_CERT)
for i in $(seq 20000); do
  now=$(cat $CF_INSTANCE_CERT) && key=$(cat $CF_INSTANCE_KEY) || exit 1
  case "$now" in "-----BEGIN CERTIFICATE-----"*"-----END CERTIFICATE-----") ;; *) exit 2 ;; esac
  case "$key" in "-----BEGIN RSA PRIVATE KEY-----"*"-----END RSA PRIVATE KEY-----") ;; *) exit 3 ;; esac
  [ "$now" = "$first" ] || { echo another; exit 0; }
done
exit 4
"#;

/// What a shell command prints in the app's instance.
#[track_caller]
fn inside(own: &Own<'_>, script: &str) -> String {
    let output = own.output(Path::new("/"), &["ssh", "procfile", script]);
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The subject of a certificate.
fn subject(pem: &str) -> String {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let read = Certificate::from_der(&der).unwrap();
    read.tbs_certificate().subject().to_string()
}

#[test]
fn an_instance_shows_whose_it_is_and_its_certificate_is_renewed_while_it_runs() {
    let mut daemon = Daemon::with(Setup {
        arguments: ["--set", LIFE].map(str::to_owned).into(),
        ..Setup::default()
    });
    let api = Api::login(&daemon);
    let own = Own::login(&daemon);
    own.json(&example("procfile"), &["push", "procfile", "-m", "128M"]);
    let apps = api.get("/v3/apps?names=procfile").expect(200);
    let app = &apps["resources"][0];
    let guid = app["guid"].as_str().unwrap();
    let space = app["relationships"]["space"]["data"]["guid"]
        .as_str()
        .unwrap();

    let read = || inside(&own, "cat $CF_INSTANCE_CERT $CF_INSTANCE_KEY");
    // Between the two they may be exchanged.
    let pair = eventually("a certificate and its key", || {
        let both = read();
        let chain: Vec<_> = CertificateDer::pem_slice_iter(both.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap();
        let key = PrivateKeyDer::from_pem_slice(both.as_bytes()).unwrap();
        let provider = aws_lc_rs::default_provider();
        CertifiedKey::from_der(chain, key, &provider)
            .ok()
            .map(|_| both)
    });
    let subject_of_app = subject(&pair);
    let instance = inside(&own, "echo $CF_INSTANCE_GUID");
    let instance = instance.trim();
    for part in [
        format!("CN={instance}"),
        format!("OU=app:{guid}"),
        format!("OU=space:{space}"),
        "OU=organization:".to_owned(),
    ] {
        assert!(subject_of_app.contains(&part), "{subject_of_app}");
    }
    // What is trusted has the authority that signed it, and the platform's own.
    let trusted = inside(&own, "cat $CF_SYSTEM_CERT_PATH/*.crt");
    let authority = pair.split_once("-----END CERTIFICATE-----").unwrap().1;
    let authority = authority.split_once("-----BEGIN RSA").unwrap().0.trim();
    assert!(trusted.contains(authority), "{trusted}");
    assert_eq!(trusted.matches("BEGIN CERTIFICATE").count(), 2);

    assert_eq!(inside(&own, WATCH), "another\n");
    // Nobody inside changes them.
    let denied = "(echo x > $CF_INSTANCE_KEY) 2>/dev/null && echo written; \
                  rm -f $CF_INSTANCE_CERT 2>/dev/null && echo removed; true";
    assert_eq!(inside(&own, denied), "");
    // Nor does anybody else on the host get to the folders of instances.
    let instances = daemon.state_dir().join("instances");
    let mode = fs::metadata(instances).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);

    // The next daemon goes on with it, for the same instance.
    daemon.kill();
    daemon.spawn();
    let own = Own::login(&daemon);
    assert_eq!(inside(&own, WATCH), "another\n");
    assert_eq!(inside(&own, "echo $CF_INSTANCE_GUID").trim(), instance);

    // A task is vouched for under its own name.
    let command = "echo guid=$CF_INSTANCE_GUID; echo cert=$(base64 -w 0 $CF_INSTANCE_CERT)";
    let run = ["task", "run", "procfile", "-c", command, "--wait"];
    own.json(Path::new("/"), &run);
    let word = |name: &str| {
        eventually(&format!("{name} of the task"), || {
            let logs = own.output(Path::new("/"), &["logs", "procfile", "--recent"]);
            let logs = String::from_utf8(logs.stdout).unwrap();
            let (_, rest) = logs.split_once(name)?;
            Some(rest.split_whitespace().next()?.to_owned())
        })
    };
    let pem = base64::engine::general_purpose::STANDARD
        .decode(word("cert="))
        .unwrap();
    let of_task = subject(&String::from_utf8(pem).unwrap());
    let named = format!("CN={}", word("guid="));
    assert!(of_task.contains(&named), "{named} in {of_task}");
    assert!(of_task.contains(&format!("OU=app:{guid}")), "{of_task}");
}
