//! The library of Cloud Foundry for Python, unmodified, walks through everything.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{Daemon, example, text};

/// A Python that has the library.
///
/// # Panics
/// Where there is none, saying how to get it: a test that is skipped in silence tests nothing.
fn python() -> PathBuf {
    let program = std::env::var_os("PASTINA_TEST_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/python/bin/python"),
        PathBuf::from,
    );
    assert!(
        program.exists(),
        "there is no Python with cloudfoundry-client at {}: run `make prerequisites`, or name \
         one in PASTINA_TEST_PYTHON",
        program.display()
    );
    program
}

#[test]
fn the_library_for_python_walks_the_platform() {
    let daemon = Daemon::shared();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/python/walk.py");
    let output = Command::new(python())
        .arg("-W")
        .arg("ignore")
        .arg(script)
        .args([daemon.https(), daemon.admin_password()])
        .arg(example("procfile"))
        // The part that reads the log gateway verifies whatever it is told.
        .env("SSL_CERT_FILE", daemon.state_dir().join("certs/ca.pem"))
        .env_remove("REQUESTS_CA_BUNDLE")
        .env_remove("CURL_CA_BUNDLE")
        .env_remove("HTTPS_PROXY")
        .env_remove("HTTP_PROXY")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
}
