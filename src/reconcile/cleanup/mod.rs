//! What is kept no longer: old packages and droplets, records that nobody asks for, and what
//! deleted apps left on disk.

mod act;
pub mod plan;

pub(super) use act::run;
