//! Certificates: for the gateway, configured ones from files and the platform's own for the rest;
//! for instances, of an authority that vouches for whose they are.

mod authority;
mod config;
mod error;
mod files;
mod instances;
mod resolver;
mod root;
mod server;

#[cfg(test)]
mod tests;

pub use config::{Config, KeyFiles, OwnNames};
pub use error::CertsError;
pub use instances::{
    Bearer, CERTIFICATE, CREDENTIALS, Credentials, InstanceAuthority, KEY, TRUSTED,
};
pub use server::Certs;
