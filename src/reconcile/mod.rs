//! Makes what runs be what should run.
//!
//! One loop for each concern: instances and their routes, what they may reach, builds, what
//! service brokers are asked for, and what is left over. Each is level-triggered: a pass looks at desired and observed state as they are, plans with a
//! pure function and acts; it takes no hint of what changed, so a start-up, a crash and an
//! ordinary push all take the same way.

pub mod builds;
pub mod cleanup;
mod config;
pub mod deployments;
mod driver;
mod ending;
mod handle;
pub mod network;
pub mod processes;
pub mod routes;
pub mod services;
mod start;
pub mod status;
pub mod tasks;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use handle::{Handle, NoSuchInstance};
pub use start::{Deps, Reconciler};
