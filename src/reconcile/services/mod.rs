//! What is asked of service brokers: catalogs, instances and bindings that are made, changed and
//! deleted, operations that go on there, what may be left there, and deletions that wait for it.
//!
//! What is to be asked stands in the records (an errand, a sync, an orphan), so a daemon that
//! starts goes on where its predecessor was killed.

mod act;
mod bindings;
mod catalog;
mod instances;
mod orphans;
pub mod plan;
mod route_bindings;
#[cfg(test)]
mod tests;
mod words;
mod work;

pub(super) use act::run;
