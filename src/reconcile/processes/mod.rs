//! Instances of processes: what runs becomes what should run.

pub(super) mod act;
pub mod crash;
pub mod observe;
pub mod plan;
pub mod wanted;
mod words;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
