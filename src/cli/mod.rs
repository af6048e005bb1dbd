//! The client: verbs over the same public API that every other client uses.

mod api;
mod args;
mod context;
mod endpoint;
mod failure;
mod output;
mod places;
mod profile;
mod push;
mod run;
mod verbs;

#[cfg(test)]
mod tests;

pub use args::{Format, Verb};
pub use endpoint::Endpoint;
pub use places::Places;
pub use run::{completions, main};
