//! The daemon's own log.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

use super::config::{Config, LogFormat};

/// Sends what the daemon has to say to standard error, as the configuration wants it.
pub(super) fn init(config: &Config) {
    let filter = EnvFilter::try_new(&config.log_filter).unwrap_or_default();
    // The journal and terminals of people differ: one adds times itself, the other shows colours.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    // An error means that a subscriber is set already, which only an embedding test does.
    let _ = match (config.log_format, journal) {
        (LogFormat::Json, _) => builder.json().try_init(),
        (LogFormat::Text, true) => builder.without_time().with_target(false).try_init(),
        (LogFormat::Text, false) => builder.with_target(false).try_init(),
    };
}
