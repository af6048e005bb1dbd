//! Who pushes, at each step anew: a build takes its time, and somebody may have lost a right
//! meanwhile.

use std::sync::Arc;

use crate::{actions::Caller, model::User, store::State};

/// Somebody who has proved who they are.
#[derive(Debug, Clone)]
pub struct Who {
    /// The user, or a client as one.
    pub user: Arc<User>,
    /// What they may at most; none for whatever the user may.
    pub limit: Option<Vec<String>>,
}

impl Who {
    /// The same with what they hold now; none where they are gone.
    #[must_use]
    pub fn caller(&self, state: &State) -> Option<Caller> {
        let user = match state.users.get(&self.user.id) {
            Some(user) if !user.profile.inactive => Arc::clone(user),
            Some(_) => return None,
            None if self.user.origin == "client" => Arc::clone(&self.user),
            None => return None,
        };
        Some(Caller::new(state, user).limited(self.limit.as_deref()))
    }
}
