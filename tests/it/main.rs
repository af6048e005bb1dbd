//! The tests from outside: one binary, one file per story.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api;
mod build;
mod layers;
mod reconcile;
mod sandbox;
