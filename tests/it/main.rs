//! The tests from outside: one binary, one file per story.
#![expect(
    clippy::unwrap_used,
    reason = "these are tests, but for the functions beside them that clippy does not take for some"
)]

mod layers;
mod sandbox;
