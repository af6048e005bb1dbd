//! Instances of processes: what runs becomes what should run.

pub mod crash;
pub mod plan;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
pub mod wanted;
