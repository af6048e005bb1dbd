//! The stock `cf` CLI, with a home of its own for each user of it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::Daemon;

/// A `cf` that is logged in.
pub struct Cf {
    home: tempfile::TempDir,
    binary: PathBuf,
}

impl Cf {
    /// Logs in to `daemon` as its admin, in the organization and space that it starts with.
    pub fn login(daemon: &Daemon) -> Self {
        let cf = Self::new();
        cf.run(&["api", &daemon.https(), "--skip-ssl-validation"]);
        cf.run(&["auth", "admin", &daemon.admin_password()]);
        cf.run(&["target", "-o", "dev", "-s", "dev"]);
        cf
    }

    /// A `cf` that knows no API yet.
    pub fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            binary: stock_cf(),
        }
    }

    /// Runs a command that must succeed, and gives what it printed.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let text = text(&output);
        assert!(
            output.status.success(),
            "cf {} failed:\n{text}",
            arguments.join(" ")
        );
        text
    }

    /// Runs a command that must fail, and gives what it printed.
    #[track_caller]
    pub fn fail(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let text = text(&output);
        assert!(
            !output.status.success(),
            "cf {} succeeded:\n{text}",
            arguments.join(" ")
        );
        text
    }

    /// Runs a command in a folder, which must succeed, and gives what it printed.
    #[track_caller]
    pub fn run_in(&self, folder: &Path, arguments: &[&str]) -> String {
        let mut command = self.command();
        let output = command.current_dir(folder).args(arguments).output();
        let output = output.unwrap();
        let (line, text) = (arguments.join(" "), text(&output));
        assert!(output.status.success(), "cf {line} failed:\n{text}");
        text
    }

    /// The guid of an app.
    #[track_caller]
    pub fn guid(&self, app: &str) -> String {
        self.run(&["app", app, "--guid"]).trim().to_owned()
    }

    /// Runs a command.
    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// A command to be run elsewhere or otherwise.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .env("CF_HOME", self.home.path())
            .env("CF_COLOR", "false")
            .env("LANG", "en_US.UTF-8")
            .env_remove("HTTPS_PROXY")
            .env_remove("HTTP_PROXY");
        command
    }
}

/// Where the stock command line is.
///
/// # Panics
/// Where it is not, saying how to get it: a test that is skipped in silence tests nothing.
pub fn stock_cf() -> PathBuf {
    let binary = std::env::var_os("PASTINA_TEST_CF").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/cf"),
        PathBuf::from,
    );
    assert!(
        binary.exists(),
        "the stock cf command line is not at {}: run `make prerequisites`, or name one in \
         PASTINA_TEST_CF",
        binary.display()
    );
    binary
}

/// Everything that a command printed.
pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
