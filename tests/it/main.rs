//! Tests from outside, in one program.

mod build;
mod sandbox;
