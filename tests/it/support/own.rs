//! Our own command line, with a home of its own.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use super::{Daemon, text};

/// A `pastina` that is logged in by what the daemon left on this machine.
pub(crate) struct Own<'a> {
    daemon: &'a Daemon,
    /// What it remembers is in a folder of this name.
    name: String,
}

impl<'a> Own<'a> {
    /// Logs in.
    #[track_caller]
    pub(crate) fn login(daemon: &'a Daemon) -> Self {
        let name = "client".to_owned();
        let own = Self { daemon, name };
        own.json(Path::new("/"), &["login"]);
        own
    }

    /// Logs in as somebody else than the administrator.
    #[track_caller]
    pub(crate) fn login_as(daemon: &'a Daemon, user: &str, password: &str) -> Self {
        let name = format!("client-of-{user}");
        let own = Self { daemon, name };
        own.json(Path::new("/"), &["login", "-u", user, "-p", password]);
        own
    }

    /// Runs a command in a folder.
    pub(crate) fn output(&self, folder: &Path, arguments: &[&str]) -> Output {
        self.command()
            .current_dir(folder)
            .args(arguments)
            .output()
            .unwrap()
    }

    /// The JSON that a command printed, which must succeed.
    #[track_caller]
    pub(crate) fn json(&self, folder: &Path, arguments: &[&str]) -> Value {
        let mut all = vec!["--output", "json"];
        all.extend(arguments);
        let output = self.output(folder, &all);
        let line = arguments.join(" ");
        assert!(
            output.status.success(),
            "pastina {line}:\n{}",
            text(&output)
        );
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("pastina {line}: {error}:\n{}", text(&output)))
    }

    /// Runs a command that must end with this exit code, and gives what it printed.
    #[track_caller]
    pub(crate) fn fail(&self, folder: &Path, arguments: &[&str], code: i32) -> String {
        let output = self.output(folder, arguments);
        let (line, text) = (arguments.join(" "), text(&output));
        assert_eq!(output.status.code(), Some(code), "pastina {line}:\n{text}");
        text
    }

    /// The same with `input`.
    pub(crate) fn output_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command();
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    /// What programs need that run it.
    pub(crate) fn environment(&self) -> [(String, PathBuf); 2] {
        [
            ("PASTINA_RUN_DIR".to_owned(), self.daemon.run_dir()),
            (
                "PASTINA_HOME".to_owned(),
                self.daemon.home().join(&self.name),
            ),
        ]
    }

    fn command(&self) -> Command {
        let mut command = self.daemon.client();
        command
            .env("PASTINA_RUN_DIR", self.daemon.run_dir())
            .env("PASTINA_HOME", self.daemon.home().join(&self.name))
            .env("NO_COLOR", "1");
        command
    }
}
