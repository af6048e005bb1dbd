//! What is kept for the next build of an app.

use super::{ActionError, Actions, Caller, apps, jobs::finished_job};
use crate::{
    authz::Verb,
    model::{App, AppId, Job},
};

impl Actions {
    /// Wants an app's next build to begin with nothing of earlier ones.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn clear_build_cache(&self, caller: &Caller, id: AppId) -> Result<Job, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let app = apps::find(tx, caller, Verb::OperateApps, id)?;
                tx.put(App {
                    cache_cleared_at: Some(now),
                    ..App::clone(&app)
                });
                Ok(finished_job(tx, "app.clear_buildpack_cache", now))
            })
            .await
    }

    /// The same for all apps.
    ///
    /// # Errors
    /// Where the caller is no admin.
    pub async fn clear_build_caches(&self, caller: &Caller) -> Result<Job, ActionError> {
        caller.need_admin()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let apps: Vec<App> = tx.apps.values().map(|app| App::clone(app)).collect();
                for app in apps {
                    tx.put(App {
                        cache_cleared_at: Some(now),
                        ..app
                    });
                }
                Ok(finished_job(tx, "admin.clear_buildpack_cache", now))
            })
            .await
    }
}
