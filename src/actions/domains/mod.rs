//! Domains.

mod rules;
mod verbs;

pub use rules::{default_domain, usable_in};
pub(super) use rules::{put_internal, shared};
