//! The control API's JSON: what comes in and goes out, one file per resource, and what all
//! resources share: lists, links, errors. Pure: strings in, values out.

pub mod app;
pub mod build;
pub mod buildpack;
pub mod droplet;
pub mod error;
pub mod job;
pub mod list;
pub mod listed;
pub mod manifest;
pub mod organization;
pub mod package;
mod patch;
pub mod process;
pub mod query;
pub mod select;
pub mod shared;
pub mod stats;

pub use error::Error;
pub use list::{Page, paginate};
pub use listed::{Filter, Listed, arrange};
pub use query::Query;
pub use select::Selector;
pub use shared::{Base, Links, MetadataPatch, Relationship, ToMany, ToOne};
