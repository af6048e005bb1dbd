//! The routing table: made anew from desired state and instances, and handed over as a whole.

pub mod plan;
mod publish;
#[cfg(test)]
mod tests;

pub(super) use publish::Routes;
