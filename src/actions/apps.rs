//! Apps.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    ActionError, Actions, Caller, app_env,
    audit::{audit, target},
    cascade,
    jobs::{finished_job, waiting_job},
    lifecycle, process_rules, stacks,
    uid_ranges::free_range,
};
use crate::{
    authz::{Place, Verb},
    model::{
        App, AppId, AppName, AppState, Doomed, Job, Lifecycle, LifecycleKind, Metadata,
        ProcessType, SpaceId, Timestamp,
    },
    store::{State, Tx},
    wire::app::{Create, Update},
};

impl Actions {
    /// The apps that the caller may see.
    #[must_use]
    pub fn apps(&self, caller: &Caller) -> Vec<Arc<App>> {
        let state = self.store.state();
        let apps = state.apps.values();
        apps.filter(|app| caller.may_in_space(&state, Verb::ReadSpace, app.space))
            .cloned()
            .collect()
    }

    /// The app, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn app(&self, caller: &Caller, id: AppId) -> Result<Arc<App>, ActionError> {
        find(&self.store.state(), caller, Verb::ReadSpace, id)
    }

    /// Makes an app with its web process.
    ///
    /// # Errors
    /// Where the caller may not, the name is bad or taken, or the lifecycle or environment is
    /// refused.
    pub async fn create_app(&self, caller: &Caller, body: Create) -> Result<App, ActionError> {
        let space: SpaceId = body
            .relationships
            .space
            .data
            .and_then(|space| space.guid.parse().ok())
            .ok_or_else(no_space)?;
        let name = AppName::parse(body.name)?;
        let mut metadata = Metadata::default();
        body.metadata
            .apply(&mut metadata)
            .map_err(ActionError::Unprocessable)?;
        let mut env = std::collections::BTreeMap::new();
        let variables = app_env::texts(body.environment_variables.unwrap_or_default().0)?;
        app_env::apply(&mut env, variables).map_err(ActionError::Several)?;
        let lifecycle = body.lifecycle.unwrap_or_default();
        let mut how = Lifecycle {
            kind: lifecycle::kind(self, &self.store.state(), lifecycle.kind.as_deref())?,
            ..Lifecycle::default()
        };
        let known = self.known_buildpacks();
        lifecycle::apply(&known, &mut how, &lifecycle)?;
        if how.kind != LifecycleKind::Docker {
            stacks::check(&known.stacks, how.stack.as_deref(), true)
                .map_err(ActionError::Unprocessable)?;
        }
        let now = self.now();
        let app = self
            .store
            .commit(|tx| {
                match caller.need_in_space(tx, Verb::WriteApps, space, "App") {
                    Err(ActionError::NotFound(_)) => Err(no_space()),
                    other => other,
                }?;
                let mut app = self.fresh_app(tx, space, name, now)?;
                app.lifecycle = how;
                app.env = env;
                app.metadata = metadata;
                tx.put(app.clone());
                let data = json!({ "request": { "name": app.name } });
                note(tx, caller, "audit.app.create", &app, data, now);
                Ok::<_, ActionError>(app)
            })
            .await?;
        self.log(app.id, format!("Created app with guid {}", app.id));
        Ok(app)
    }

    /// Puts a new app of that name and its web process into the change.
    pub(super) fn fresh_app(
        &self,
        tx: &mut Tx,
        space: SpaceId,
        name: AppName,
        now: Timestamp,
    ) -> Result<App, ActionError> {
        unique(tx, space, &name, None)?;
        let app = App {
            id: AppId::random(),
            space,
            name,
            state: AppState::Stopped,
            lifecycle: Lifecycle::default(),
            env: std::collections::BTreeMap::new(),
            current_droplet: None,
            generation: 0,
            features: std::collections::BTreeMap::new(),
            uid_range: Some(free_range(tx, self.config.first_uid)?),
            cache_cleared_at: None,
            git_source: None,
            metadata: Metadata::default(),
            created_at: now,
            updated_at: now,
        };
        tx.put(app.clone());
        tx.put(process_rules::fresh(
            &self.config,
            app.id,
            ProcessType::web(),
            now,
        ));
        Ok(app)
    }

    /// Changes an app.
    ///
    /// # Errors
    /// Where the caller may not, the name is bad or taken, or the lifecycle is refused.
    pub async fn update_app(
        &self,
        caller: &Caller,
        id: AppId,
        body: Update,
    ) -> Result<App, ActionError> {
        let name = body.name.map(AppName::parse).transpose()?;
        let now = self.now();
        let app = self
            .store
            .commit(|tx| {
                let mut app = App::clone(&*find(tx, caller, Verb::WriteApps, id)?);
                let mut request = serde_json::Map::new();
                if let Some(name) = name {
                    unique(tx, app.space, &name, Some(id))?;
                    app.name = name;
                    request.insert("name".to_owned(), json!(app.name));
                }
                if let Some(patch) = &body.lifecycle {
                    lifecycle::apply(&self.known_buildpacks(), &mut app.lifecycle, patch)?;
                    let how = crate::wire::app::lifecycle(&app.lifecycle);
                    request.insert("lifecycle".to_owned(), how);
                }
                body.metadata
                    .apply(&mut app.metadata)
                    .map_err(ActionError::Unprocessable)?;
                app.updated_at = now;
                tx.put(app.clone());
                let data = json!({ "request": request });
                note(tx, caller, "audit.app.update", &app, data, now);
                Ok::<_, ActionError>(app)
            })
            .await?;
        self.log(id, format!("Updated app with guid {id}"));
        Ok(app)
    }

    /// Deletes an app with all that is its own; routes stay, without it.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn delete_app(&self, caller: &Caller, id: AppId) -> Result<Job, ActionError> {
        let now = self.now();
        let job = self
            .store
            .commit(move |tx| {
                let app = find(tx, caller, Verb::WriteApps, id)?;
                let data = json!({ "request": { "recursive": true } });
                note(tx, caller, "audit.app.delete-request", &app, data, now);
                let doomed = Doomed::App(id);
                if !tx.parts_of(doomed).is_empty() {
                    return Ok(waiting_job(tx, "app.delete", caller, doomed, now));
                }
                cascade::delete_app(tx, id);
                Ok::<_, ActionError>(finished_job(tx, "app.delete", now))
            })
            .await?;
        if !job.state.is_final() {
            return Ok(job);
        }
        // The log is files, and removing them waits for the disk.
        let logs = self.logs.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || logs.forget(id)).await {
            tracing::error!(%error, app = %id, "the log of a deleted app cannot be removed");
        }
        Ok(job)
    }
}

/// The app, where the caller may do `verb` to it.
pub(super) fn find(
    state: &State,
    caller: &Caller,
    verb: Verb,
    id: AppId,
) -> Result<Arc<App>, ActionError> {
    let app = state.apps.get(&id).ok_or(ActionError::NotFound("App"))?;
    caller.need_in_space(state, verb, app.space, "App")?;
    Ok(Arc::clone(app))
}

/// Records in the change what the caller did to `app`.
pub(super) fn note(
    tx: &mut Tx,
    caller: &Caller,
    kind: &str,
    app: &App,
    data: Value,
    now: Timestamp,
) {
    let place = tx
        .spaces
        .get(&app.space)
        .map_or(Place::Platform, |space| Place::Space {
            space: space.id,
            org: space.org,
        });
    let target = target("app", app.id, &app.name);
    audit(tx, &caller.actor(), kind, target, place, data, now);
}

fn unique(
    state: &State,
    space: SpaceId,
    name: &AppName,
    but: Option<AppId>,
) -> Result<(), ActionError> {
    match state.app_by_name(space, name) {
        Some(other) if Some(other.id) != but => Err(ActionError::Taken(format!(
            "App with the name '{name}' already exists."
        ))),
        _ => Ok(()),
    }
}

fn no_space() -> ActionError {
    ActionError::Unprocessable(
        "Invalid space. Ensure that the space exists and you have access to it.".to_owned(),
    )
}
