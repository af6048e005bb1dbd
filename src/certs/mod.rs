//! Certificates for the gateway: configured ones from files, the platform's own for the rest.

mod authority;
mod config;
mod error;
mod files;
mod resolver;
mod server;

#[cfg(test)]
mod tests;

pub use config::{Config, KeyFiles, OwnNames};
pub use error::CertsError;
pub use server::Certs;
