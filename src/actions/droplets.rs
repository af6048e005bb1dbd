//! Droplets.

use std::sync::Arc;

use serde_json::json;

use super::{ActionError, Actions, Caller, apps, jobs::finished_job};
use crate::{
    authz::Verb,
    model::{App, Droplet, DropletId, DropletState, Job},
    store::State,
    wire::package::Update,
};

impl Actions {
    /// The droplets that the caller may see.
    #[must_use]
    pub fn droplets(&self, caller: &Caller) -> Vec<Arc<Droplet>> {
        let state = self.store.state();
        let droplets = state.droplets.values();
        droplets
            .filter(|droplet| {
                state
                    .apps
                    .get(&droplet.app)
                    .is_some_and(|app| caller.may_in_space(&state, Verb::ReadSpace, app.space))
            })
            .cloned()
            .collect()
    }

    /// The droplet, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn droplet(&self, caller: &Caller, id: DropletId) -> Result<Arc<Droplet>, ActionError> {
        find(&self.store.state(), caller, Verb::ReadSpace, id).map(|(_, droplet)| droplet)
    }

    /// Changes labels and annotations.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn update_droplet(
        &self,
        caller: &Caller,
        id: DropletId,
        body: Update,
    ) -> Result<Droplet, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let (_, old) = find(tx, caller, Verb::WriteApps, id)?;
                let mut droplet = Droplet::clone(&old);
                body.metadata
                    .apply(&mut droplet.metadata)
                    .map_err(ActionError::Unprocessable)?;
                droplet.updated_at = now;
                tx.put(droplet.clone());
                Ok(droplet)
            })
            .await
    }

    /// Deletes a droplet that its app does not use.
    ///
    /// # Errors
    /// Where the caller may not, or the app uses it.
    pub async fn delete_droplet(&self, caller: &Caller, id: DropletId) -> Result<Job, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let (app, droplet) = find(tx, caller, Verb::WriteApps, id)?;
                if app.current_droplet == Some(id) || tx.is_pinned(&droplet) {
                    return Err(ActionError::Unprocessable(format!(
                        "The droplet is what the app '{}' runs: assign another one first.",
                        app.name
                    )));
                }
                tx.delete(id);
                let data = json!({ "droplet_guid": id.to_string() });
                apps::note(tx, caller, "audit.app.droplet.delete", &app, data, now);
                Ok(finished_job(tx, "droplet.delete", now))
            })
            .await
    }

    /// The digest of the droplet's archive, for downloading it.
    ///
    /// # Errors
    /// Where the caller may not see an app's secrets, or there is no archive.
    pub fn droplet_bits(&self, caller: &Caller, id: DropletId) -> Result<String, ActionError> {
        let (_, droplet) = find(&self.store.state(), caller, Verb::ReadSecrets, id)?;
        match &droplet.state {
            DropletState::Staged { .. } if droplet.launch.is_some() => {
                Err(ActionError::Unprocessable(
                    "Cannot download droplets with 'docker' lifecycle.".to_owned(),
                ))
            }
            DropletState::Staged { sha256, .. } => Ok(sha256.clone()),
            _ => Err(ActionError::Unprocessable(
                "Only staged droplets can be downloaded.".to_owned(),
            )),
        }
    }
}

/// The droplet and its app, where the caller may do `verb` to them.
pub(super) fn find(
    state: &State,
    caller: &Caller,
    verb: Verb,
    id: DropletId,
) -> Result<(Arc<App>, Arc<Droplet>), ActionError> {
    let missing = ActionError::NotFound("Droplet");
    let Some(droplet) = state.droplets.get(&id) else {
        return Err(missing);
    };
    let app = apps::find(state, caller, verb, droplet.app).map_err(|error| match error {
        ActionError::NotFound(_) => missing,
        other => other,
    })?;
    Ok((app, Arc::clone(droplet)))
}
