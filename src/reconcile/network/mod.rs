//! What instances and builds may reach: worked out anew from desired state and instances, and
//! told to whoever enforces it.

mod act;
pub mod plan;

#[cfg(test)]
pub(in crate::reconcile) mod tests;

pub(super) use act::run;
