//! Deployments.

mod new;
mod options;
mod verbs;

pub(super) use verbs::idle;
