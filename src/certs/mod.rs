//! Certificates for the gateway: configured ones from files, the platform's own for the rest.

mod authority;
mod config;
mod files;
mod resolver;

pub use config::{Config, KeyFiles, OwnNames};
pub use resolver::{Certs, CertsError};
