//! Whether a reader may read what they asked for, at the beginning and later.

use std::fmt;

use crate::{
    actions::Caller,
    api::{Api, extract::caller_of},
    authz::Verb,
    model::{AppId, UserId},
    store::State,
};

/// What a token lets its holder read.
#[derive(Clone)]
pub(super) struct Pass {
    api: Api,
    token: String,
    user: UserId,
    /// Of which apps; none for all of them.
    apps: Option<Vec<AppId>>,
}

// The token is a secret.
impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass")
            .field("user", &self.user)
            .field("apps", &self.apps)
            .finish_non_exhaustive()
    }
}

impl Pass {
    /// What `caller`, whose token it is, may read of `apps`; none where that is not all of it.
    pub(super) fn grant(
        api: &Api,
        token: &str,
        caller: &Caller,
        apps: Option<Vec<AppId>>,
    ) -> Option<Self> {
        let state = api.actions.store.state();
        may_read(&state, caller, apps.as_deref()).then(|| Self {
            api: api.clone(),
            token: token.to_owned(),
            user: caller.user.id,
            apps,
        })
    }

    pub(super) const fn user(&self) -> UserId {
        self.user
    }

    /// Whether the token is still good for it.
    pub(super) fn holds(&self) -> bool {
        let state = self.api.actions.store.state();
        let caller = caller_of(&self.api, &state, &self.token);
        caller.is_some_and(|caller| may_read(&state, &caller, self.apps.as_deref()))
    }
}

/// Whether the caller may read the logs and metrics of all of `apps`, or of everything. Of what
/// is no app there is nothing to read; only who may read everything may ask for it.
fn may_read(state: &State, caller: &Caller, apps: Option<&[AppId]>) -> bool {
    let known = |id: &AppId| {
        let app = state.apps.get(id);
        app.is_some_and(|app| caller.may_in_space(state, Verb::ReadLogs, app.space))
    };
    caller.may_watch() || apps.is_some_and(|apps| apps.iter().all(known))
}
