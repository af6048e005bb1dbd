//! Deployments: instances of a new web process take the place of those of old ones, a few at a
//! time, and never before they are routed to.

mod act;
pub mod plan;

#[cfg(test)]
mod simulation;

pub(super) use act::run;
