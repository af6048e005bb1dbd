//! Log lines of apps: kept in bounded files, read in order.
//!
//! One thread writes; whoever has lines hands them over and goes on. Lines of instances come
//! with how far the instance's own log was read, and both are one record on disk: a daemon that
//! dies at any moment neither loses nor repeats a line.

mod codec;
mod limits;
mod line;
mod live;
mod measure;
mod ring;
mod segments;
mod shelf;
#[cfg(test)]
mod tests;
mod writer;

pub use codec::Origin;
pub use limits::Limits;
pub use line::{Entry, Line, Query, Stream};
pub use live::{Heard, Interest, Listener};
pub use measure::{Container, Counter, Kinds, Measure, Measured, Request};
pub use writer::{Logs, LogsError};
