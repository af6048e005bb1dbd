//! Who may enter an app's instances.

use std::sync::Arc;

use serde_json::json;

use super::{ActionError, Actions, Caller, Feature, apps};
use crate::{
    authz::Verb,
    model::{App, AppId, ProcessId, ProcessType, Space, User},
    store::Tx,
};

/// Where somebody was let in.
#[derive(Debug, Clone)]
pub struct SshPlace {
    /// The app.
    pub app: AppId,
    /// The process's type.
    pub process_type: ProcessType,
}

/// Why `cf ssh` into `app` is off, in the words that clients know; empty where it is on.
#[must_use]
pub fn ssh_off(app: &App, space: Option<&Space>) -> String {
    let on = Feature::named("ssh").is_some_and(|ssh| ssh.is_on(app));
    match space {
        Some(space) if !space.allow_ssh => {
            format!("ssh is disabled for space '{}'", space.name)
        }
        _ if !on => "ssh is disabled for app".to_owned(),
        _ => String::new(),
    }
}

impl Actions {
    /// Lets `user` into the instances of a process, where they may change its app and SSH is on
    /// for the app and its space. Either way it is written down, where the user may see the app.
    ///
    /// # Errors
    /// Where they may not: [`ActionError::NotFound`], [`ActionError::Forbidden`],
    /// [`ActionError::Unprocessable`] with the reason.
    pub async fn authorize_ssh(
        &self,
        user: &Arc<User>,
        process: ProcessId,
        index: u32,
    ) -> Result<SshPlace, ActionError> {
        let (now, user) = (self.now(), Arc::clone(user));
        let decided = self.store.commit(move |tx| {
            let caller = Caller::new(tx, user);
            let missing = || ActionError::NotFound("App");
            let process = tx.processes.get(&process).cloned().ok_or_else(missing)?;
            let app = apps::find(tx, &caller, Verb::ReadSpace, process.app)?;
            let decided = decide(tx, &caller, &app);
            let kind = if decided.is_ok() {
                "audit.app.ssh-authorized"
            } else {
                "audit.app.ssh-unauthorized"
            };
            let data = json!({ "index": index.to_string() });
            apps::note(tx, &caller, kind, &app, data, now);
            let place = SshPlace {
                app: app.id,
                process_type: process.process_type.clone(),
            };
            Ok::<_, ActionError>(decided.map(|()| place))
        });
        decided.await?
    }
}

fn decide(tx: &Tx, caller: &Caller, app: &App) -> Result<(), ActionError> {
    caller.need_in_space(tx, Verb::WriteApps, app.space, "App")?;
    let off = ssh_off(app, tx.spaces.get(&app.space).map(|space| &**space));
    if off.is_empty() {
        Ok(())
    } else {
        Err(ActionError::Unprocessable(off))
    }
}
