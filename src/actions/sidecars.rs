//! Sidecars.

use std::{collections::BTreeSet, sync::Arc};

use super::{ActionError, Actions, Caller, apps, process_rules, processes};
use crate::{
    authz::Verb,
    model::{
        App, AppId, Megabytes, Process, ProcessId, ProcessType, Sidecar, SidecarId, SidecarPlan,
        Timestamp,
    },
    store::{State, Tx},
    wire::sidecar::{Create, Update},
};

/// Most sidecars of an app; each takes two pipes of every instance's.
const MOST: usize = 20;
/// Longest name of a sidecar.
const LONGEST_NAME: usize = 255;

/// What is said of a sidecar; what is not said stays.
#[derive(Debug, Clone, Default)]
pub(super) struct Patch {
    pub(super) name: Option<String>,
    pub(super) command: Option<String>,
    pub(super) process_types: Option<Vec<String>>,
    pub(super) memory: Option<Option<Megabytes>>,
}

impl Actions {
    /// The sidecars of an app, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn sidecars(&self, caller: &Caller, app: AppId) -> Result<Vec<Arc<Sidecar>>, ActionError> {
        let state = self.store.state();
        apps::find(&state, caller, Verb::ReadSpace, app)?;
        Ok(all(&state, app))
    }

    /// The sidecars that run beside a process, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn sidecars_of_process(
        &self,
        caller: &Caller,
        id: ProcessId,
    ) -> Result<Vec<Arc<Sidecar>>, ActionError> {
        let state = self.store.state();
        let (app, process) = processes::find(&state, caller, Verb::ReadSpace, id)?;
        let mut found = all(&state, app.id);
        found.retain(|one| one.plan.process_types.contains(&process.process_type));
        Ok(found)
    }

    /// The sidecar, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn sidecar(&self, caller: &Caller, id: SidecarId) -> Result<Arc<Sidecar>, ActionError> {
        find(&self.store.state(), caller, Verb::ReadSpace, id).map(|(_, sidecar)| sidecar)
    }

    /// Lets a command run beside processes from their next start on.
    ///
    /// # Errors
    /// Where the caller may not, or a value is refused.
    pub async fn create_sidecar(
        &self,
        caller: &Caller,
        app: AppId,
        body: Create,
    ) -> Result<Sidecar, ActionError> {
        let memory = process_rules::size("Memory", body.memory_in_mb);
        let patch = Patch {
            name: Some(body.name),
            command: Some(body.command.0),
            process_types: Some(body.process_types),
            memory: memory.map_err(ActionError::Unprocessable)?.map(Some),
        };
        let now = self.now();
        self.store
            .commit(|tx| {
                let app = apps::find(tx, caller, Verb::WriteApps, app)?;
                let made = add(tx, app.id, patch, now);
                made.map_err(ActionError::Unprocessable)
            })
            .await
    }

    /// Changes a sidecar; what runs goes on as it is until its next start.
    ///
    /// # Errors
    /// Where the caller may not, or a value is refused.
    pub async fn update_sidecar(
        &self,
        caller: &Caller,
        id: SidecarId,
        body: Update,
    ) -> Result<Sidecar, ActionError> {
        let memory = match body.memory_in_mb {
            None => None,
            Some(memory) => {
                let size = process_rules::size("Memory", memory);
                Some(size.map_err(ActionError::Unprocessable)?)
            }
        };
        let patch = Patch {
            name: body.name,
            command: body.command.0,
            process_types: body.process_types,
            memory,
        };
        let now = self.now();
        self.store
            .commit(|tx| {
                let (_, sidecar) = find(tx, caller, Verb::WriteApps, id)?;
                let changed = change(tx, &sidecar, patch, now);
                changed.map_err(ActionError::Unprocessable)
            })
            .await
    }

    /// Deletes a sidecar; what runs goes on as it is until its next start.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn delete_sidecar(&self, caller: &Caller, id: SidecarId) -> Result<(), ActionError> {
        self.store
            .commit(|tx| {
                find(tx, caller, Verb::WriteApps, id)?;
                tx.delete(id);
                Ok(())
            })
            .await
    }
}

fn all(state: &State, app: AppId) -> Vec<Arc<Sidecar>> {
    let found = state.sidecars_of(app);
    found
        .filter_map(|one| state.sidecars.get(&one.id).cloned())
        .collect()
}

fn find(
    state: &State,
    caller: &Caller,
    verb: Verb,
    id: SidecarId,
) -> Result<(Arc<App>, Arc<Sidecar>), ActionError> {
    let missing = ActionError::NotFound("Sidecar");
    let Some(sidecar) = state.sidecars.get(&id) else {
        return Err(missing);
    };
    let app = apps::find(state, caller, verb, sidecar.app).map_err(|error| match error {
        ActionError::NotFound(_) => missing,
        other => other,
    })?;
    Ok((app, Arc::clone(sidecar)))
}

/// Makes the sidecar of the name in `patch` what it says.
///
/// # Errors
/// Words for the user.
pub(super) fn upsert(
    tx: &mut Tx,
    app: AppId,
    patch: Patch,
    now: Timestamp,
) -> Result<Sidecar, String> {
    let same = |one: &&Sidecar| Some(&one.plan.name) == patch.name.as_ref();
    let found = tx.sidecars_of(app).find(same).cloned();
    match found {
        Some(sidecar) => change(tx, &sidecar, patch, now),
        None => add(tx, app, patch, now),
    }
}

fn add(tx: &mut Tx, app: AppId, patch: Patch, now: Timestamp) -> Result<Sidecar, String> {
    if tx.sidecars_of(app).count() >= MOST {
        return Err(format!("An app may have at most {MOST} sidecars"));
    }
    // What has to be said is empty, and refused, where it is not.
    let sidecar = Sidecar {
        id: SidecarId::random(),
        app,
        plan: SidecarPlan {
            name: String::new(),
            command: String::new(),
            process_types: BTreeSet::new(),
            memory: None,
        },
        created_at: now,
        updated_at: now,
    };
    change(tx, &sidecar, patch, now)
}

fn change(tx: &mut Tx, sidecar: &Sidecar, patch: Patch, now: Timestamp) -> Result<Sidecar, String> {
    let mut sidecar = sidecar.clone();
    let plan = &mut sidecar.plan;
    if let Some(name) = patch.name {
        plan.name = name;
    }
    if let Some(command) = patch.command {
        plan.command = command;
    }
    if let Some(types) = patch.process_types {
        let types = types.into_iter().map(ProcessType::parse);
        let types: Result<_, _> = types.collect();
        plan.process_types = types.map_err(|error| error.to_string())?;
    }
    if let Some(memory) = patch.memory {
        plan.memory = memory;
    }
    check(plan)?;
    let (id, app) = (sidecar.id, sidecar.app);
    let name = &sidecar.plan.name;
    let mut others = tx.sidecars_of(app).filter(|other| other.id != id);
    if others.any(|other| other.plan.name == *name) {
        return Err(format!(
            "Sidecar with name '{name}' already exists for given app"
        ));
    }
    drop(others);
    sidecar.updated_at = now;
    tx.put(sidecar.clone());
    for kind in &sidecar.plan.process_types {
        if let Some(process) = tx.process_by_type(app, kind)
            && !fits(tx, process)
        {
            return Err(format!(
                "The memory allocation defined is too large to run with the dependent \"{kind}\" \
                 process"
            ));
        }
    }
    Ok(sidecar)
}

fn check(plan: &SidecarPlan) -> Result<(), String> {
    let name = &plan.name;
    if name.trim().is_empty() {
        return Err("Name can't be blank".to_owned());
    }
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(format!(
            "Name must have at most {LONGEST_NAME} characters, none of them a control character"
        ));
    }
    if plan.command.trim().is_empty() {
        return Err("Command can't be blank".to_owned());
    }
    process_rules::check_command(&plan.command)?;
    if plan.process_types.is_empty() {
        return Err("Process types must have at least 1 process_type".to_owned());
    }
    Ok(())
}

/// Whether `process` has memory left beside its sidecars.
pub(super) fn fits(state: &State, process: &Process) -> bool {
    let beside = state.sidecars_of(process.app);
    let beside = beside.filter(|one| one.plan.process_types.contains(&process.process_type));
    let taken = beside
        .filter_map(|one| one.plan.memory)
        .map(|size| u64::from(size.0));
    let taken: u64 = taken.sum();
    taken == 0 || taken < u64::from(process.memory.0)
}

/// Makes the sidecars of `app` those of `plans`.
pub(super) fn replace(tx: &mut Tx, app: AppId, plans: &[SidecarPlan], now: Timestamp) {
    if tx.sidecar_plans(app) == plans {
        return;
    }
    let old: Vec<SidecarId> = tx.sidecars_of(app).map(|one| one.id).collect();
    for id in old {
        tx.delete(id);
    }
    for plan in plans {
        tx.put(Sidecar {
            id: SidecarId::random(),
            app,
            plan: plan.clone(),
            created_at: now,
            updated_at: now,
        });
    }
}
