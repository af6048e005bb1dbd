//! Answers of the gateway's own: Cloud Foundry's error contract, in words for people.

mod page;
mod reason;

pub(super) use page::{escape, thousandths};
pub(super) use reason::Refusal;
