//! Processes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    ActionError, Actions, Caller, apps, deployments, flags, process_rules, quotas, sidecars,
};
use crate::{
    authz::Verb,
    model::{App, AppId, AppState, Flag, Process, ProcessId, ProcessType, Timestamp},
    store::{State, Tx},
    wire::process::{Scale, Update},
};

impl Actions {
    /// The processes that the caller may see.
    #[must_use]
    pub fn processes(&self, caller: &Caller) -> Vec<Arc<Process>> {
        let state = self.store.state();
        let processes = state.processes.values();
        processes
            .filter(|process| {
                state
                    .apps
                    .get(&process.app)
                    .is_some_and(|app| caller.may_in_space(&state, Verb::ReadSpace, app.space))
            })
            .cloned()
            .collect()
    }

    /// The process and its app, if the caller may see them.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn process(
        &self,
        caller: &Caller,
        id: ProcessId,
    ) -> Result<(Arc<App>, Arc<Process>), ActionError> {
        find(&self.store.state(), caller, Verb::ReadSpace, id)
    }

    /// The guid of the app's process of that type.
    ///
    /// # Errors
    /// [`ActionError::NotFound`], of the app or the process.
    pub fn process_of_type(
        &self,
        caller: &Caller,
        app: AppId,
        process_type: &str,
    ) -> Result<ProcessId, ActionError> {
        let state = self.store.state();
        apps::find(&state, caller, Verb::ReadSpace, app)?;
        state
            .process_by_type(app, process_type)
            .map(|process| process.id)
            .ok_or(ActionError::NotFound("Process"))
    }

    /// Changes the command, the checks or the metadata of a process.
    ///
    /// # Errors
    /// Where the caller may not, or a value is refused.
    pub async fn update_process(
        &self,
        caller: &Caller,
        id: ProcessId,
        body: Update,
    ) -> Result<Process, ActionError> {
        let request = json!({ "request": {
            "command": body.command.as_ref().map(|_| "[PRIVATE DATA HIDDEN]"),
            "health_check": body.health_check.as_ref().map(|check| &check.kind),
            "readiness_health_check": body.readiness_health_check.as_ref().map(|c| &c.kind),
        } });
        let process = self
            .change_process(caller, id, Change::Update, request, |process| {
                if let Some(command) = body.command {
                    process_rules::command(process, command)?;
                }
                if let Some(patch) = &body.health_check {
                    process_rules::health(&mut process.health, patch)?;
                }
                if let Some(patch) = &body.readiness_health_check {
                    process_rules::readiness(&mut process.readiness, patch)?;
                }
                body.metadata.apply(&mut process.metadata)
            })
            .await?;
        let kind = &process.process_type;
        self.log(process.app, format!("Updating process: \"{kind}\""));
        Ok(process)
    }

    /// Changes how many instances of a process there are and what each may use.
    ///
    /// # Errors
    /// Where the caller may not, or a value is refused.
    pub async fn scale_process(
        &self,
        caller: &Caller,
        id: ProcessId,
        body: Scale,
    ) -> Result<Process, ActionError> {
        // `cf events` prints these names.
        let request = json!({ "request": {
            "instances": body.instances,
            "memory": body.memory_in_mb,
            "disk_quota": body.disk_in_mb,
        } });
        let state = self.store.state();
        find(&state, caller, Verb::OperateApps, id)?;
        flags::need(&state, caller, Flag::AppScaling)?;
        let process = self
            .change_process(caller, id, Change::Scale, request, |process| {
                process_rules::scale(process, &body)
            })
            .await?;
        let kind = &process.process_type;
        self.log(process.app, format!("Scaling process: \"{kind}\""));
        Ok(process)
    }

    /// Records that an instance is replaced at the user's wish; the caller of this passes the
    /// wish on.
    ///
    /// # Errors
    /// Where the user may not, or the process has no such instance.
    pub async fn note_instance_restart(
        &self,
        caller: &Caller,
        id: ProcessId,
        index: u32,
    ) -> Result<(), ActionError> {
        let now = self.now();
        let (app, process) = self
            .store
            .commit(move |tx| {
                let (app, process) = find(tx, caller, Verb::OperateApps, id)?;
                if index >= process.instances || app.state == AppState::Stopped {
                    return Err(ActionError::NotFound("Instance"));
                }
                let data = json!({
                    "process_guid": id.to_string(),
                    "process_type": process.process_type,
                    "process_index": index,
                    "index": index,
                });
                let kind = "audit.app.process.terminate_instance";
                apps::note(tx, caller, kind, &app, data, now);
                Ok((app.id, process))
            })
            .await?;
        let kind = &process.process_type;
        self.log(
            app,
            format!("Terminating instance {index} of process: \"{kind}\""),
        );
        Ok(())
    }

    async fn change_process(
        &self,
        caller: &Caller,
        id: ProcessId,
        kind: Change,
        mut data: Value,
        change: impl FnOnce(&mut Process) -> Result<(), String>,
    ) -> Result<Process, ActionError> {
        let now = self.now();
        self.store
            .commit(|tx| {
                let (app, old) = find(tx, caller, Verb::OperateApps, id)?;
                let (event, busy) = match kind {
                    Change::Update => ("audit.app.process.update", ActionError::UpdateInFlight),
                    Change::Scale => ("audit.app.process.scale", ActionError::ScaleInFlight),
                };
                if old.process_type == ProcessType::web() {
                    deployments::idle(tx, app.id, busy)?;
                }
                let mut process = Process::clone(&old);
                change(&mut process).map_err(ActionError::Unprocessable)?;
                if process.memory != old.memory && !sidecars::fits(tx, &process) {
                    return Err(ActionError::Unprocessable(
                        "The requested memory allocation is not large enough to run all of your \
                         sidecar processes"
                            .to_owned(),
                    ));
                }
                if app.state == AppState::Started && must_replace(&old, &process) {
                    process.generation += 1;
                }
                process.updated_at = now;
                quotas::within(tx, app.space, |tx| {
                    tx.put(process.clone());
                    Ok(())
                })?;
                data["process_guid"] = json!(id.to_string());
                data["process_type"] = json!(process.process_type);
                apps::note(tx, caller, event, &app, without_nulls(data), now);
                Ok(process)
            })
            .await
    }
}

/// What is done to a process.
#[derive(Debug, Clone, Copy)]
enum Change {
    Update,
    Scale,
}

/// The process and its app, where the caller may do `verb` to them.
pub(super) fn find(
    state: &State,
    caller: &Caller,
    verb: Verb,
    id: ProcessId,
) -> Result<(Arc<App>, Arc<Process>), ActionError> {
    let missing = ActionError::NotFound("Process");
    let Some(process) = state.processes.get(&id) else {
        return Err(missing);
    };
    let app = apps::find(state, caller, verb, process.app).map_err(|error| match error {
        ActionError::NotFound(_) => missing,
        other => other,
    })?;
    Ok((app, Arc::clone(process)))
}

/// Puts a new process into the change and tells the audit trail.
pub(super) fn add(tx: &mut Tx, caller: &Caller, app: &App, process: Process, now: Timestamp) {
    let data = json!({
        "process_guid": process.id.to_string(),
        "process_type": process.process_type,
    });
    tx.put(process);
    apps::note(tx, caller, "audit.app.process.create", app, data, now);
}

/// Whether running instances must be replaced for the change to take effect. A new command
/// waits for the next restart, as in Cloud Foundry.
fn must_replace(old: &Process, new: &Process) -> bool {
    old.memory != new.memory
        || old.disk != new.disk
        || old.health.kind != new.health.kind
        || old.readiness.kind != new.readiness.kind
}

/// An event's data without what was not asked for.
fn without_nulls(mut data: Value) -> Value {
    if let Some(request) = data.get_mut("request").and_then(Value::as_object_mut) {
        request.retain(|_, value| !value.is_null());
    }
    data
}
