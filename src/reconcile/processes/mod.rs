//! Instances of processes: what runs becomes what should run.

pub mod crash;
pub mod plan;
pub mod wanted;
