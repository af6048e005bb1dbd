//! Staging: a package becomes a droplet inside a sandbox.
//!
//! [`Builder::stage`] unpacks the package into a fresh folder, asks the catalog which runtime
//! it needs, runs that runtime's steps as one script in one sandbox (none where there is
//! nothing to run), and hands the folder to the blob store. What lies in the folder after the
//! steps is hostile: it is only ever reached through handles that do not leave it.

mod builder;
mod cache;
mod catalog;
mod choice;
mod classic;
mod cnb;
mod config;
mod decision;
mod disk;
mod environment;
mod failure;
mod folder;
pub mod git;
mod image;
mod leftovers;
mod listing;
mod log;
mod output;
mod request;
mod room;
mod run;
mod script;
mod survey;
mod tools;

pub use builder::Builder;
pub use classic::Classic;
pub use config::{Config, PASSED_ON, passed_on};
pub use environment::PATH;
pub use request::{Request, Source, Staged};
pub use room::{Held, Room};
pub use survey::{Report, ToolReport, survey};
