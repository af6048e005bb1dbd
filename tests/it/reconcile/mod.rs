//! Desired state in, real sandboxes out: an app is built, started, watched, restarted, taken
//! over by the next daemon, and gone when nobody wants it.

mod failures;
mod life;
mod machine;
mod wanted;
