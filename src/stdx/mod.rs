//! What the standard library lacks: byte tools, a clock that tests can stand in for, growing
//! delays, and groups of tasks that can be stopped together.

pub mod backoff;
pub mod bytes;
pub mod clock;
pub mod tasks;
