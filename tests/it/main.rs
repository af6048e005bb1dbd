//! Tests from outside, in one program.

mod sandbox;
