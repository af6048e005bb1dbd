//! Environment variables of every app or build.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    ActionError, Actions, Caller, app_env,
    audit::{audit, target},
};
use crate::{
    authz::Place,
    model::{EnvGroup, EnvGroupId, Workload},
};

impl Actions {
    /// Sets and removes variables of every app or of every build. Apps find them with their
    /// next start. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, or a name or value is not allowed.
    pub async fn update_env_group(
        &self,
        caller: &Caller,
        workload: Workload,
        changes: BTreeMap<String, Value>,
    ) -> Result<EnvGroup, ActionError> {
        caller.need_admin()?;
        let changes = app_env::texts(changes)?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut group = EnvGroup {
                    id: EnvGroupId::of(workload),
                    var: tx
                        .env_group(workload)
                        .map(|group| group.var.clone())
                        .unwrap_or_default(),
                    updated_at: now,
                };
                app_env::apply(&mut group.var, changes).map_err(ActionError::Several)?;
                tx.put(group.clone());
                let name = crate::wire::env_group::name(workload);
                let target = target("environment_variable_group", group.id, name);
                let data = json!({ "request": {
                    "environment_variables": "[PRIVATE DATA HIDDEN]",
                } });
                let kind = "audit.environment_variable_group.update";
                audit(
                    tx,
                    &caller.actor(),
                    kind,
                    target,
                    Place::Platform,
                    data,
                    now,
                );
                Ok(group)
            })
            .await
    }
}
