//! Starting and stopping apps.

use serde_json::json;

use super::{ActionError, Actions, Caller, apps, deployments, quotas, revisions};
use crate::{
    authz::Verb,
    model::{App, AppId, AppState, LifecycleKind},
};

/// What is asked of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Start,
    Stop,
    Restart,
}

impl Actions {
    /// Starts an app; one that is started goes on as it is.
    ///
    /// # Errors
    /// Where the caller may not, or the app has no droplet.
    pub async fn start_app(&self, caller: &Caller, id: AppId) -> Result<App, ActionError> {
        self.set_app_state(caller, id, Wish::Start).await
    }

    /// Stops an app.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn stop_app(&self, caller: &Caller, id: AppId) -> Result<App, ActionError> {
        self.set_app_state(caller, id, Wish::Stop).await
    }

    /// Starts an app anew, whether it runs or not.
    ///
    /// # Errors
    /// Where the caller may not, or the app has no droplet.
    pub async fn restart_app(&self, caller: &Caller, id: AppId) -> Result<App, ActionError> {
        self.set_app_state(caller, id, Wish::Restart).await
    }

    async fn set_app_state(
        &self,
        caller: &Caller,
        id: AppId,
        wish: Wish,
    ) -> Result<App, ActionError> {
        let now = self.now();
        let (event, text) = match wish {
            Wish::Start => ("audit.app.start", "Starting app"),
            Wish::Stop => ("audit.app.stop", "Stopping app"),
            Wish::Restart => ("audit.app.restart", "Restarting app"),
        };
        let app = self
            .store
            .commit(move |tx| {
                let mut app = App::clone(&*apps::find(tx, caller, Verb::OperateApps, id)?);
                if wish != Wish::Stop && app.current_droplet.is_none() {
                    return Err(ActionError::Unprocessable(
                        "Assign a droplet before starting this app.".to_owned(),
                    ));
                }
                // Instances of two versions run, and which of them should again is not said.
                if wish != Wish::Start {
                    deployments::idle(tx, id, ActionError::StopInFlight)?;
                }
                if wish != Wish::Stop && app.lifecycle.kind == LifecycleKind::Docker {
                    self.need_images(tx)?;
                }
                let state = match wish {
                    Wish::Stop => AppState::Stopped,
                    Wish::Start | Wish::Restart => AppState::Started,
                };
                // A new generation replaces what runs, so a start of a started app has none.
                let starts = wish == Wish::Restart || (wish == Wish::Start && app.state != state);
                if starts {
                    app.generation += 1;
                }
                app.state = state;
                app.updated_at = now;
                quotas::within(tx, app.space, |tx| {
                    tx.put(app.clone());
                    Ok(())
                })?;
                if starts {
                    let revision = revisions::resolve(tx, caller, &app, now);
                    revisions::mark(tx, id, revision.map(|(id, _)| id));
                }
                let data = json!({ "request": { "state": crate::wire::app::state(state) } });
                apps::note(tx, caller, event, &app, data, now);
                Ok(app)
            })
            .await?;
        self.log(id, format!("{text} with guid {id}"));
        Ok(app)
    }
}
