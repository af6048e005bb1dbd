//! The control API's JSON: what comes in and goes out, one file per resource, and what all
//! resources share: lists, links, errors. Pure: strings in, values out.

pub mod app;
pub mod build;
pub mod buildpack;
pub mod droplet;
pub mod error;
pub mod list;
pub mod manifest;
pub mod organization;
pub mod package;
mod patch;
pub mod process;
pub mod query;
pub mod shared;
pub mod stats;

pub use error::Error;
pub use list::{Page, paginate};
pub use query::Query;
pub use shared::{Base, Links, MetadataPatch, Relationship, ToMany, ToOne};
