//! One file per verb, or per group of verbs that are nearly the same.

pub(super) mod app;
pub(super) mod apps;
pub(super) mod deployment;
pub(super) mod env;
pub(super) mod events;
pub(super) mod lifecycle;
pub(super) mod login;
pub(super) mod logs;
pub(super) mod network_policy;
pub(super) mod quota;
pub(super) mod route;
pub(super) mod runtimes;
pub(super) mod scale;
pub(super) mod security_group;
pub(super) mod service;
pub(super) mod target;
pub(super) mod task;
