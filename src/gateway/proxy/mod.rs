//! Carries a request to an instance and its answer back.

mod connect;
mod errand;
mod repeat;

pub(super) use connect::dial;
pub(super) use errand::{Errand, Upgrade};
