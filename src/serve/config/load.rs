//! Brings file, environment and flags together.

use std::{
    env, fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::cli::Places;

use super::{Args, Config, ConfigError, KEYS, error::Place, given::Givens};

/// Variables with our prefix that are not for the daemon's configuration.
const OTHERS: [&str; 7] = [
    "PASTINA_BROKER_PASSWORD",
    "PASTINA_CONFIG",
    "PASTINA_HOME",
    "PASTINA_NEW_PASSWORD",
    "PASTINA_OUTPUT",
    "PASTINA_PASSWORD",
    "PASTINA_USERNAME",
];

/// What our own tests may set.
const TESTS: &str = "PASTINA_TEST_";

/// The environment variable that overrides `key`.
#[must_use]
pub fn environment_name(key: &str) -> String {
    format!("PASTINA_{}", key.replace('.', "_").to_ascii_uppercase())
}

impl Config {
    /// The configuration of this process: flags over environment over file over defaults.
    ///
    /// # Errors
    /// [`ConfigError`] names everything that is wrong at once.
    pub fn load(args: &Args) -> Result<Self, ConfigError> {
        Self::load_from(args, &Places::here(), env::vars().collect())
    }

    /// As [`Config::load`], for another place and environment.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_from(
        args: &Args,
        places: &Places,
        environment: Vec<(String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut given = Givens::default();
        let file = read_file(args.config.as_deref(), places)?;
        if let Some((path, text)) = &file {
            given.put_file(path, text);
        }
        put_environment(&mut given, environment);
        put_flags(&mut given, args);
        let mut config = Self::resolve(places, &mut given);
        config.check_together(&mut given);
        config.file = file.map(|(path, _)| path);
        if given.problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::Invalid(given.problems))
        }
    }
}

/// The file that was named, or the usual one where there is one.
fn read_file(
    named: Option<&Path>,
    places: &Places,
) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let path = named.unwrap_or(&places.config_file).to_owned();
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::Read { path, source }),
    }
}

fn put_environment(given: &mut Givens, environment: Vec<(String, String)>) {
    for (name, value) in environment {
        let foreign = !name.starts_with("PASTINA_") || name.starts_with(TESTS);
        if foreign || OTHERS.contains(&name.as_str()) {
            continue;
        }
        // A name without a key is handed on as one that is not known, and complained about.
        let key = KEYS.iter().find(|key| environment_name(key) == name);
        let guess = name["PASTINA_".len()..]
            .to_ascii_lowercase()
            .replacen('_', ".", 1);
        let key = key.map_or(guess, |key| (*key).to_owned());
        given.put(&key, value, Place::Environment(name));
    }
}

fn put_flags(given: &mut Givens, args: &Args) {
    for pair in &args.set {
        let place = Place::Flag(format!("--set {pair}"));
        match pair.split_once('=') {
            Some((key, value)) => given.put(key.trim(), value.trim().to_owned(), place),
            None => given.complain(place, "must be KEY=VALUE, such as apps.memory=512M"),
        }
    }
    let flags = [
        ("--state-dir", "state_dir", &args.state_dir),
        ("--http", "listen.http", &args.http),
        ("--https", "listen.https", &args.https),
        ("--domain", "domain", &args.domain),
    ];
    for (flag, key, value) in flags {
        if let Some(value) = value {
            given.put(key, value.clone(), Place::Flag(flag.to_owned()));
        }
    }
}

/// `pastina serve --check`: prints the configuration in effect as TOML, secrets hidden.
///
/// # Errors
/// What is wrong with the configuration, or that standard output is closed.
pub fn check(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(args)?;
    io::stdout().write_all(config.to_toml().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

impl Config {
    /// What is in effect, as a file that could be read again but for hidden secrets.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let source = self.file.as_ref().map_or_else(
            || "# no configuration file\n".to_owned(),
            |path| format!("# {}\n", path.display()),
        );
        let mut text = source;
        let mut open_table = "";
        for (key, value) in self.effective() {
            let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
            if table != open_table {
                open_table = table;
                text.push_str(&format!("\n[{table}]\n"));
            }
            if value.is_empty() {
                text.push_str(&format!("# {name} is not set\n"));
            } else {
                text.push_str(&format!("{name} = {value}\n"));
            }
        }
        text
    }
}
