//! What an app runs.

use std::sync::Arc;

use serde_json::json;

use super::{ActionError, Actions, Caller, apps, process_rules, processes};
use crate::{
    authz::Verb,
    model::{App, AppId, Droplet, DropletId, DropletState},
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
                let droplet = droplet
                    .and_then(|droplet| tx.droplets.get(&droplet).cloned())
                    .filter(|droplet| {
                        droplet.app == id && matches!(droplet.state, DropletState::Staged { .. })
                    })
                    .ok_or_else(|| {
                        ActionError::Unprocessable(
                            "Unable to assign current droplet. Ensure the droplet exists and \
                             belongs to this app."
                                .to_owned(),
                        )
                    })?;
                app.current_droplet = Some(droplet.id);
                app.updated_at = now;
                tx.put(app.clone());
                let data = json!({ "request": { "droplet_guid": droplet.id.to_string() } });
                apps::note(tx, caller, "audit.app.droplet.mapped", &app, data, now);
                for kind in droplet.process_types.keys() {
                    if tx.process_by_type(id, kind).is_none() {
                        let process = process_rules::fresh(&self.config, id, kind.clone(), now);
                        processes::add(tx, caller, &app, process, now);
                    }
                }
                Ok::<_, ActionError>(app)
            })
            .await?;
        self.log(id, format!("Updated app with guid {id} (droplet)"));
        Ok(app)
    }
}
