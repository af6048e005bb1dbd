//! `git push`: a pushed branch becomes what its app runs, and the push tells how that goes.
//!
//! Git's protocol for a push is small, and spoken here: which commit the branch is, what the
//! client wants it to be, a pack of objects; then messages while it is worked on, and at the end
//! whether the branch was moved. It is moved where the app was built and runs, and not else, as
//! a `pre-receive` hook would have it. What a pack holds is read by the host's git in a sandbox
//! ([`build::git`](crate::build::git)).
//!
//! An app can be deployed from a repository elsewhere as well, when its host calls.

mod commands;
mod deploy;
mod manifest;
mod packet;
mod push;
mod release;
mod report;
mod source;
mod voice;
mod who;

pub use packet::Malformed;
pub use push::{Asked, Git, Push, branch};
pub use report::RESULT;
pub use source::Begun;
pub use who::Who;

use std::sync::Arc;

use tokio::sync::watch;

use crate::{actions::Actions, build::Builder, drivers::Identity, model::Observed};

/// What pushes work with.
#[derive(Debug, Clone)]
pub struct Deps {
    /// The door to desired state.
    pub actions: Actions,
    /// Reads packs.
    pub builder: Builder,
    /// Who apps are on the host.
    pub identity: Identity,
    /// What runs.
    pub observed: watch::Receiver<Arc<Observed>>,
    /// Most bytes a second of what is fetched.
    pub bandwidth: watch::Receiver<Option<u64>>,
}
