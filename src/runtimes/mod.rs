//! Languages as data: `runtimes/*.toml` say how to recognise, build and start a kind of app.
//!
//! Nothing here touches a file: the daemon hands in the texts of an operator's folder, and a
//! package as [`Facts`]. What comes out says which runtime answers, which steps to run in
//! the sandbox, and how the result is started.

mod catalog;
mod condition;
mod detect;
mod facts;
mod lookup;
mod mistakes;
mod procfile;
mod release;
mod schema;
mod template;
mod wanted;

#[cfg(test)]
mod tests;

pub use catalog::{BUILT_IN, Catalog, RuntimeError};
pub use condition::{Condition, Test};
pub use detect::{DetectError, detect};
pub use facts::{Facts, Listing, Tree};
pub use mistakes::{Mistake, plain};
pub use procfile::{ProcfileError, read_procfile};
pub use release::{PlannedStep, Release, ReleaseError, release, steps};
pub use schema::{Build, PlacedFile, Root, Rule, Runtime, Start, Step, Tool, Version};
pub use template::{Bindings, quote};
pub use wanted::{allows, is_at_least};
