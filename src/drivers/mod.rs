//! Instances: prepared, started, watched, stopped and adopted, whatever they run.

mod phase;
mod slot;

pub use phase::{Cause, End, Happening, Phase, STABLE};
pub use slot::{Slot, Version};
