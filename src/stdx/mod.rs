//! What the standard library lacks: a clock that tests can stand in for, growing delays,
//! groups of tasks that can be stopped together, sizes as people read them, the removal of
//! trees of any depth, files that are their owner's alone.

pub mod backoff;
pub mod bytes;
pub mod clock;
pub mod private_file;
pub mod removal;
pub mod tasks;
