//! The client: verbs over the same public API that every other client uses.

mod endpoint;
mod places;

pub use endpoint::Endpoint;
pub use places::Places;
