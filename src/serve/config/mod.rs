//! The daemon's configuration: a TOML file, `PASTINA_*` over it, flags over both.
//!
//! Everything is read and checked here, once; what a module gets is a value of its own checked
//! types. A complaint names the key, where it was given, and what was probably meant.

mod args;
mod defaults;
mod error;
mod given;
mod keys;
mod load;
mod modules;
mod providers;
mod setting;
mod types;

#[cfg(test)]
mod tests;

pub use args::Args;
pub use error::{ConfigError, Place, Problem};
pub use keys::{Config, KEYS};
pub use load::{check, environment_name};
pub use providers::Providers;
pub use types::{Listen, LogFormat, OriginUrl, Secrets, Threads};
