//! A client's connection, watched: what it waits for and since when.

mod head_scan;
mod state;
mod stream;

pub(super) use state::{ConnState, Patience};
pub(super) use stream::ClientIo;
