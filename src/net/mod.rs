//! The outgoing side: an HTTP client and name lookup that need nothing of the C library.

mod body;
mod client;
mod error;
mod lookup;
mod proxy;
mod public;
mod stream;
mod tls;

#[cfg(test)]
mod tests;

pub use body::{Body, Part, Upload, empty, full};
pub use client::{Client, Config};
pub use error::NetError;
pub use lookup::{Lookup, LookupError};
pub use proxy::Proxies;
pub use public::is_public;
pub use stream::{Stream, connect};
pub use tls::{Identity, Verify, certificates};
