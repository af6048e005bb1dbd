//! The control API's JSON: what comes in and goes out, one file per resource, and what all
//! resources share: lists, links, errors. Pure: strings in, values out.

pub mod app;
pub mod binding;
pub mod broker;
pub mod build;
pub mod buildpack;
pub mod deployment;
pub mod domain;
pub mod droplet;
pub mod error;
pub mod event;
pub mod job;
pub mod list;
pub mod listed;
pub mod manifest;
pub mod network_policy;
pub mod offering;
pub mod organization;
pub mod package;
pub mod platform;
pub mod process;
pub mod query;
pub mod quota;
pub mod revision;
pub mod role;
pub mod route;
pub mod route_binding;
pub mod security_group;
pub mod select;
pub mod service;
pub mod service_usage;
pub mod shared;
pub mod sidecar;
pub mod space;
pub mod stats;
pub mod task;
pub mod user;

pub use error::Error;
pub use list::{Page, included, paginate};
pub use listed::{Filter, Listed, arrange};
pub use query::Query;
pub use select::Selector;
pub use shared::{Base, Links, MetadataPatch, Relationship, ToMany, ToOne};
