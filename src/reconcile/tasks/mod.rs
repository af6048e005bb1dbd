//! Tasks: each runs once, and what came of it is written down once.
//!
//! They are part of the pass over instances, since both share the machine's memory, and an
//! instance is a task's while it is marked as one.

mod act;
pub mod plan;

#[cfg(test)]
mod simulation;

pub(super) use act::{perform, plan, stop};
