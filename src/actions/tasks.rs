//! Tasks.

use std::sync::Arc;

use serde_json::json;

use super::{
    ActionError, Actions, Caller, apps, flags, process_rules,
    quotas::{TaskSize, may_run_task},
};
use crate::{
    authz::Verb,
    model::{
        App, AppId, Droplet, DropletId, DropletState, Flag, Metadata, Process, ProcessId, Task,
        TaskId, TaskState,
    },
    store::State,
    wire::{package::Update, task::Create},
};

impl Actions {
    /// The tasks that the caller may see.
    #[must_use]
    pub fn tasks(&self, caller: &Caller) -> Vec<Arc<Task>> {
        let state = self.store.state();
        let sees = |task: &&Arc<Task>| {
            let app = state.apps.get(&task.app);
            app.is_some_and(|app| caller.may_in_space(&state, Verb::ReadSpace, app.space))
        };
        state.tasks.values().filter(sees).cloned().collect()
    }

    /// The task, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn task(&self, caller: &Caller, id: TaskId) -> Result<Arc<Task>, ActionError> {
        find(&self.store.state(), caller, Verb::ReadSpace, id).map(|(_, task)| task)
    }

    /// Asks for a command to be run once.
    ///
    /// # Errors
    /// Where the caller may not, the app has no droplet, or a value is refused.
    pub async fn create_task(
        &self,
        caller: &Caller,
        app: AppId,
        body: Create,
    ) -> Result<Task, ActionError> {
        let mut metadata = Metadata::default();
        let refused = ActionError::Unprocessable;
        body.metadata.apply(&mut metadata).map_err(refused)?;
        let memory = process_rules::size("Memory", body.memory_in_mb).map_err(refused)?;
        let disk = process_rules::size("Disk", body.disk_in_mb).map_err(refused)?;
        let rate = process_rules::log_rate(body.log_rate_limit_in_bytes_per_second);
        let rate = rate.map_err(refused)?;
        let name = name(body.name)?;
        let now = self.now();
        let task = self
            .store
            .commit(|tx| {
                let app = apps::find(tx, caller, Verb::WriteApps, app)?;
                flags::need(tx, caller, Flag::TaskCreation)?;
                let template = match &body.template {
                    None => None,
                    Some(template) => Some(template_of(tx, &app, template.process.id())?),
                };
                let droplet = droplet_of(tx, &app, body.droplet_guid.as_deref())?;
                let command = match (body.command.0, template) {
                    (Some(command), _) => command,
                    (None, Some(process)) => own_command(process, &droplet)?,
                    (None, None) => {
                        return Err(ActionError::Unprocessable(
                            "Command No command or template provided".to_owned(),
                        ));
                    }
                };
                check_command(&command)?;
                let newest = tx.tasks_of(app.id).map(|task| task.sequence).max();
                let task = Task {
                    id: TaskId::random(),
                    app: app.id,
                    sequence: newest.unwrap_or(0) + 1,
                    name,
                    command,
                    state: TaskState::Pending,
                    droplet: droplet.id,
                    memory: memory.unwrap_or_else(|| {
                        template.map_or(self.config.memory, |process| process.memory)
                    }),
                    disk: disk.unwrap_or_else(|| {
                        template.map_or(self.config.disk, |process| process.disk)
                    }),
                    log_rate_limit: rate
                        .unwrap_or_else(|| template.map_or(-1, |process| process.log_rate_limit)),
                    metadata,
                    created_at: now,
                    updated_at: now,
                };
                may_run_task(tx, app.space, TaskSize::of(tx, &task))?;
                tx.put(task.clone());
                let data = json!({
                    "task_guid": task.id.to_string(),
                    "request": {
                        "name": task.name,
                        "memory_in_mb": task.memory.0,
                        "command": "[PRIVATE DATA HIDDEN]",
                    },
                });
                apps::note(tx, caller, "audit.app.task.create", &app, data, now);
                Ok(task)
            })
            .await?;
        let name = &task.name;
        self.log(task.app, format!("Created task \"{name}\""));
        Ok(task)
    }

    /// Wants a task to end before its command does.
    ///
    /// # Errors
    /// Where the caller may not, or it has ended.
    pub async fn cancel_task(&self, caller: &Caller, id: TaskId) -> Result<Task, ActionError> {
        let now = self.now();
        let task = self
            .store
            .commit(move |tx| {
                let (app, task) = find(tx, caller, Verb::OperateApps, id)?;
                if task.state.is_final() {
                    let state = crate::wire::task::state(&task.state);
                    return Err(ActionError::Unprocessable(format!(
                        "Task state is {state} and therefore cannot be canceled"
                    )));
                }
                let mut task = Task::clone(&task);
                if task.state != TaskState::Canceling {
                    task.state = TaskState::Canceling;
                    task.updated_at = now;
                    tx.put(task.clone());
                    let data = json!({ "task_guid": id.to_string() });
                    apps::note(tx, caller, "audit.app.task.cancel", &app, data, now);
                }
                Ok(task)
            })
            .await?;
        let name = &task.name;
        self.log(task.app, format!("Canceling task \"{name}\""));
        Ok(task)
    }

    /// Changes labels and annotations.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn update_task(
        &self,
        caller: &Caller,
        id: TaskId,
        body: Update,
    ) -> Result<Task, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let (_, old) = find(tx, caller, Verb::WriteApps, id)?;
                let mut task = Task::clone(&old);
                let patched = body.metadata.apply(&mut task.metadata);
                patched.map_err(ActionError::Unprocessable)?;
                task.updated_at = now;
                tx.put(task.clone());
                Ok(task)
            })
            .await
    }
}

fn find(
    state: &State,
    caller: &Caller,
    verb: Verb,
    id: TaskId,
) -> Result<(Arc<App>, Arc<Task>), ActionError> {
    let missing = ActionError::NotFound("Task");
    let Some(task) = state.tasks.get(&id) else {
        return Err(missing);
    };
    let app = apps::find(state, caller, verb, task.app).map_err(|error| match error {
        ActionError::NotFound(_) => missing,
        other => other,
    })?;
    Ok((app, Arc::clone(task)))
}

/// Longest name of a task.
const LONGEST_NAME: usize = 255;

/// What was said, or some letters that are no other task's.
fn name(said: Option<String>) -> Result<String, ActionError> {
    let Some(name) = said.filter(|name| !name.is_empty()) else {
        let bits = TaskId::random().to_string();
        return Ok(bits.chars().take(8).collect());
    };
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(ActionError::Unprocessable(format!(
            "Name must have at most {LONGEST_NAME} characters, none of them a control character"
        )));
    }
    Ok(name)
}

fn template_of<'a>(
    state: &'a State,
    app: &App,
    process: Option<ProcessId>,
) -> Result<&'a Process, ActionError> {
    process
        .and_then(|process| state.processes.get(&process))
        .filter(|process| process.app == app.id)
        .map(AsRef::as_ref)
        .ok_or(ActionError::NotFound("Process"))
}

fn droplet_of(state: &State, app: &App, said: Option<&str>) -> Result<Arc<Droplet>, ActionError> {
    let droplet = match said {
        Some(guid) => {
            let id: Option<DropletId> = guid.parse().ok();
            let found = id.and_then(|id| state.droplets.get(&id));
            let own = found.filter(|droplet| droplet.app == app.id);
            Some(own.ok_or(ActionError::NotFound("Droplet"))?)
        }
        None => app.current_droplet.and_then(|id| state.droplets.get(&id)),
    };
    droplet
        .filter(|droplet| matches!(droplet.state, DropletState::Staged { .. }))
        .cloned()
        .ok_or_else(|| {
            ActionError::Unprocessable(
                "Task must have a droplet. Specify droplet or assign current droplet to app."
                    .to_owned(),
            )
        })
}

/// What `process` runs.
fn own_command(process: &Process, droplet: &Droplet) -> Result<String, ActionError> {
    let own = process.command.as_ref();
    own.or_else(|| droplet.process_types.get(&process.process_type))
        .cloned()
        .ok_or_else(|| {
            ActionError::Unprocessable(format!(
                "Process '{}' has no command for a task: give the task one.",
                process.process_type
            ))
        })
}

fn check_command(command: &str) -> Result<(), ActionError> {
    if command.trim().is_empty() {
        return Err(ActionError::Unprocessable(
            "Command must not be blank".to_owned(),
        ));
    }
    process_rules::check_command(command).map_err(ActionError::Unprocessable)
}
