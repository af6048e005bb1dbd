//! What `git push` may do, and where it is written down.

use std::sync::Arc;

use serde_json::Value;

use super::{ActionError, Actions, Caller, apps, flags};
use crate::{
    authz::Verb,
    model::{App, AppId, Flag, SpaceId},
    store::State,
};

/// Where something is pushed to.
#[derive(Debug, Clone)]
pub struct GitPlace {
    /// The space.
    pub space: SpaceId,
    /// The app's name as the address says it.
    pub name: String,
    /// The app, where it is there already.
    pub app: Option<Arc<App>>,
}

impl Actions {
    /// The place with these names, where the caller may push to it: the same as for a package.
    ///
    /// # Errors
    /// Where the caller may not, or sees no such space.
    pub fn git_place(
        &self,
        caller: &Caller,
        (org, space): (&str, &str),
        app: &str,
    ) -> Result<GitPlace, ActionError> {
        let state = self.store.state();
        let org = state.org_by_name(org);
        let found = org.and_then(|org| state.space_by_name(org.id, space));
        let space = found.ok_or(ActionError::NotFound("Space"))?.id;
        may(&state, caller, space)?;
        Ok(GitPlace {
            space,
            name: app.to_owned(),
            app: state.app_by_name(space, app).cloned().map(Arc::new),
        })
    }

    /// Passes where the caller may push to the apps of `space`.
    ///
    /// # Errors
    /// Where not.
    pub fn may_push(&self, caller: &Caller, space: SpaceId) -> Result<(), ActionError> {
        may(&self.store.state(), caller, space)
    }

    /// Writes down what was pushed to an app.
    ///
    /// # Errors
    /// Where that fails.
    pub async fn note_git_push(
        &self,
        caller: &Caller,
        app: AppId,
        data: Value,
    ) -> Result<(), ActionError> {
        let now = self.now();
        self.store
            .commit(|tx| {
                let app = apps::find(tx, caller, Verb::ReadSpace, app)?;
                apps::note(tx, caller, "audit.app.git-push", &app, data, now);
                Ok(())
            })
            .await
    }
}

fn may(state: &State, caller: &Caller, space: SpaceId) -> Result<(), ActionError> {
    caller.need_in_space(state, Verb::WriteApps, space, "Space")?;
    flags::need(state, caller, Flag::AppBitsUpload)
}
