//! Users, passwords and tokens: UAA's part.

use std::sync::Arc;

use crate::{
    model::{Timestamp, User},
    store::State,
};

/// The handle on who people are; clones share it.
#[derive(Debug, Clone)]
pub struct Identity {}

impl Identity {
    /// The user whose valid access token this is.
    #[must_use]
    pub fn verify(&self, state: &State, token: &str, now: Timestamp) -> Option<Arc<User>> {
        let _ = (state, token, now);
        None
    }
}
