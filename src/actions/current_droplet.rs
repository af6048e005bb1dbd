//! What an app runs.

use std::sync::Arc;

use serde_json::json;

use super::{ActionError, Actions, Caller, apps, deployments, process_rules, processes};
use crate::{
    authz::Verb,
    model::{App, AppId, Droplet, DropletId, DropletState, Timestamp},
    store::{State, Tx},
};

impl Actions {
    /// The app's current droplet.
    ///
    /// # Errors
    /// [`ActionError::NotFound`], of the app or the droplet.
    pub fn current_droplet(&self, caller: &Caller, id: AppId) -> Result<Arc<Droplet>, ActionError> {
        let state = self.store.state();
        let app = apps::find(&state, caller, Verb::ReadSpace, id)?;
        app.current_droplet
            .and_then(|droplet| state.droplets.get(&droplet).cloned())
            .ok_or(ActionError::NotFound("Droplet"))
    }

    /// Makes `droplet` what the app runs from its next start on, with a process for each type
    /// that the droplet knows.
    ///
    /// # Errors
    /// Where the caller may not, or it is not a usable droplet of the app.
    pub async fn set_current_droplet(
        &self,
        caller: &Caller,
        id: AppId,
        droplet: Option<DropletId>,
    ) -> Result<App, ActionError> {
        let now = self.now();
        let app = self
            .store
            .commit(|tx| {
                let mut app = App::clone(&*apps::find(tx, caller, Verb::OperateApps, id)?);
                let busy = ActionError::Unprocessable(
                    "Unable to assign current droplet while the app has a deployment in progress. \
                     Wait for the deployment to complete or cancel it."
                        .to_owned(),
                );
                deployments::idle(tx, id, busy)?;
                let droplet = usable(tx, id, droplet)?;
                app.current_droplet = Some(droplet.id);
                app.updated_at = now;
                tx.put(app.clone());
                let data = json!({ "request": { "droplet_guid": droplet.id.to_string() } });
                apps::note(tx, caller, "audit.app.droplet.mapped", &app, data, now);
                add_processes(self, tx, caller, &app, &droplet, now);
                Ok::<_, ActionError>(app)
            })
            .await?;
        self.log(id, format!("Updated app with guid {id} (droplet)"));
        Ok(app)
    }
}

/// The droplet, where `app` can run it.
///
/// # Errors
/// Where it cannot.
pub(super) fn usable(
    state: &State,
    app: AppId,
    droplet: Option<DropletId>,
) -> Result<Arc<Droplet>, ActionError> {
    let found = droplet.and_then(|droplet| state.droplets.get(&droplet).cloned());
    found
        .filter(|droplet| {
            droplet.app == app && matches!(droplet.state, DropletState::Staged { .. })
        })
        .ok_or_else(|| {
            ActionError::Unprocessable(
                "Unable to assign current droplet. Ensure the droplet exists and belongs to this \
                 app."
                    .to_owned(),
            )
        })
}

/// Adds a process for each type that the droplet knows and the app does not.
pub(super) fn add_processes(
    actions: &Actions,
    tx: &mut Tx,
    caller: &Caller,
    app: &App,
    droplet: &Droplet,
    now: Timestamp,
) {
    for kind in droplet.process_types.keys() {
        if tx.process_by_type(app.id, kind).is_none() {
            let process = process_rules::fresh(&actions.config, app.id, kind.clone(), now);
            processes::add(tx, caller, app, process, now);
        }
    }
}
