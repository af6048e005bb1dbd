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
        let binary = std::env::var_os("PASTINA_CF").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/cf"),
            PathBuf::from,
        );
        assert!(
            binary.exists(),
            "the stock cf CLI is not at {}: run `make tools`, or name one in PASTINA_CF",
            binary.display()
        );
        Self { home: tempfile::tempdir().unwrap(), binary }
    }

    /// Runs a command that must succeed, and gives what it printed.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let text = text(&output);
        assert!(output.status.success(), "cf {} failed:\n{text}", arguments.join(" "));
        text
    }

    /// Runs a command that must fail, and gives what it printed.
    #[track_caller]
    pub fn fail(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let text = text(&output);
        assert!(!output.status.success(), "cf {} succeeded:\n{text}", arguments.join(" "));
        text
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

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
