//! The short way: ordinary requests of HTTP/1.1 pass from a client to an instance and back
//! without being taken apart and put together again.
//!
//! A head is read into a buffer of the thread's, looked at once ([`request`], [`response`]), and
//! copied once with what the gateway takes away and adds ([`edit`]); bodies are passed on as they
//! come. What is not ordinary is left to the long way, which knows all of HTTP, together with the
//! connection and what was read of it. So this way refuses nothing of a client's by itself: it
//! takes only what it is sure of.

mod answer;
mod chunked;
mod connection;
mod edit;
mod names;
mod relay;
mod request;
mod response;
mod spares;
mod turn;

pub(super) use connection::{Connection, Unusual};
pub(super) use spares::{Scratch, Spares};
