//! Domains.

mod rules;
mod verbs;

pub(super) use rules::shared;
pub use rules::{default_domain, usable_in};
