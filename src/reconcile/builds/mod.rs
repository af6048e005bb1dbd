//! Builds: every build that waits is staged, a few at a time, one of an app.

mod act;
pub mod plan;

pub(super) use act::run;
