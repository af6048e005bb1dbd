//! What the standard library lacks.

pub mod bytes;
