//! One file per verb, or per group of verbs that are nearly the same.

pub(super) mod app;
pub(super) mod apps;
pub(super) mod broker;
pub(super) mod deployment;
pub(super) mod env;
pub(super) mod events;
pub(super) mod git;
pub(super) mod lifecycle;
pub(super) mod login;
pub(super) mod logs;
pub(super) mod network_policy;
pub(super) mod offer;
pub(super) mod place;
pub(super) mod quota;
pub(super) mod role;
pub(super) mod route;
pub(super) mod runtimes;
pub(super) mod scale;
pub(super) mod security_group;
pub(super) mod service;
pub(super) mod service_key;
pub(super) mod ssh;
pub(super) mod target;
pub(super) mod task;
pub(super) mod user;
