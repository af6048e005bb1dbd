//! Tests from outside, in one program.
#![expect(
    clippy::unwrap_used,
    reason = "these are tests, but for the functions beside them that clippy does not take for some"
)]

mod build;
mod reconcile;
mod sandbox;
