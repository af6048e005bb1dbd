//! The data plane: every request of every app passes here.
//!
//! A [`Gateway`] has threads of its own, each with its own sockets, its own runtime, its own
//! pool of connections to instances and its own counters. A request is routed by an immutable
//! [`RouteTable`](crate::routing::RouteTable) that is swapped as a whole, takes no lock, and
//! stays on the thread that accepted it. What is for the platform itself is handed to an
//! [`ApiService`] on another runtime.

mod access;
mod api;
mod body;
mod config;
mod connection;
mod counters;
mod direct;
mod error;
mod exchange;
mod headers;
mod holder;
mod io;
mod listen;
mod pool;
mod proxy;
mod refusal;
mod request;
mod route_service;
mod sample;
mod server;
mod service;
mod site;
mod sticky;
mod tcp;
mod tunnel;
mod worker;

#[cfg(test)]
mod tests;

pub use access::{AccessLines, AccessLog, AccessRecord, access_log};
pub use api::{ApiService, Peer};
pub use body::{Body, BodyError, full};
pub use config::{Config, Dial, Limits, Listen, PlatformHosts, Tcp};
pub use counters::Counts;
pub use error::GatewayError;
pub use route_service::{KeyError, RouteServices, Seal};
pub use server::Gateway;
