//! Builds.

use std::sync::Arc;

use serde_json::json;

use super::{ActionError, Actions, Caller, apps, lifecycle, packages, quotas, stacks};
use crate::{
    authz::Verb,
    model::{App, Build, BuildId, BuildState, LifecycleKind, Megabytes, Metadata, PackageState},
    store::State,
    wire::{build::Create, package::Update},
};

impl Actions {
    /// The builds that the caller may see.
    #[must_use]
    pub fn builds(&self, caller: &Caller) -> Vec<Arc<Build>> {
        let state = self.store.state();
        let builds = state.builds.values();
        builds
            .filter(|build| {
                state
                    .apps
                    .get(&build.app)
                    .is_some_and(|app| caller.may_in_space(&state, Verb::ReadSpace, app.space))
            })
            .cloned()
            .collect()
    }

    /// The build, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn build(&self, caller: &Caller, id: BuildId) -> Result<Arc<Build>, ActionError> {
        find(&self.store.state(), caller, Verb::ReadSpace, id).map(|(_, build)| build)
    }

    /// Asks for a package to be staged. An app has one build at a time.
    ///
    /// # Errors
    /// Where the caller may not, the package has no bits, or the app is being staged.
    pub async fn create_build(&self, caller: &Caller, body: Create) -> Result<Build, ActionError> {
        let memory = body
            .staging_memory_in_mb
            .map(|memory| {
                u32::try_from(memory)
                    .ok()
                    .filter(|memory| *memory > 0)
                    .map(Megabytes)
                    .ok_or_else(|| {
                        ActionError::Unprocessable(
                            "Staging memory in mb must be greater than 0".to_owned(),
                        )
                    })
            })
            .transpose()?;
        let mut metadata = Metadata::default();
        body.metadata
            .apply(&mut metadata)
            .map_err(ActionError::Unprocessable)?;
        let now = self.now();
        let build = self
            .store
            .commit(|tx| {
                let package = body.package.guid.parse().map_err(|_| no_package())?;
                let (app, package) = packages::find(tx, caller, Verb::OperateApps, package)
                    .map_err(|error| match error {
                        ActionError::NotFound(_) => no_package(),
                        other => other,
                    })?;
                let ready = matches!(
                    package.state,
                    PackageState::Ready { .. } | PackageState::Remote
                );
                if !ready {
                    // Clients compare the whole text.
                    return Err(ActionError::BadRequest(
                        "Bad request: Cannot stage package whose state is not ready.".to_owned(),
                    ));
                }
                if tx
                    .builds_of(app.id)
                    .any(|build| build.state == BuildState::Staging)
                {
                    return Err(ActionError::StagingInProgress);
                }
                let mut how = app.lifecycle.clone();
                if let Some(patch) = &body.lifecycle {
                    lifecycle::apply(&self.known_buildpacks(), &mut how, patch)?;
                }
                if how.kind != LifecycleKind::Docker {
                    stacks::check(&stacks::all(tx), how.stack.as_deref(), false)
                        .map_err(ActionError::Unprocessable)?;
                }
                if how.kind == LifecycleKind::Docker {
                    self.need_images(tx)?;
                }
                if how.kind == LifecycleKind::Cnb {
                    self.need_builder(tx)?;
                }
                if let Some(memory) = memory {
                    quotas::stages(tx, app.space, memory)?;
                }
                let build = Build {
                    id: BuildId::random(),
                    app: app.id,
                    package: package.id,
                    state: BuildState::Staging,
                    lifecycle: how,
                    memory,
                    created_by: caller.actor(),
                    metadata,
                    created_at: now,
                    updated_at: now,
                };
                tx.put(build.clone());
                let data = json!({
                    "build_guid": build.id.to_string(),
                    "package_guid": package.id.to_string(),
                });
                apps::note(tx, caller, "audit.app.build.create", &app, data, now);
                Ok(build)
            })
            .await?;
        let app = build.app;
        self.log(app, format!("Creating build for app with guid {app}"));
        Ok(build)
    }

    /// Changes labels and annotations.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn update_build(
        &self,
        caller: &Caller,
        id: BuildId,
        body: Update,
    ) -> Result<Build, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let (_, old) = find(tx, caller, Verb::OperateApps, id)?;
                let mut build = Build::clone(&old);
                body.metadata
                    .apply(&mut build.metadata)
                    .map_err(ActionError::Unprocessable)?;
                build.updated_at = now;
                tx.put(build.clone());
                Ok(build)
            })
            .await
    }
}

fn find(
    state: &State,
    caller: &Caller,
    verb: Verb,
    id: BuildId,
) -> Result<(Arc<App>, Arc<Build>), ActionError> {
    let missing = ActionError::NotFound("Build");
    let Some(build) = state.builds.get(&id) else {
        return Err(missing);
    };
    let app = apps::find(state, caller, verb, build.app).map_err(|error| match error {
        ActionError::NotFound(_) => missing,
        other => other,
    })?;
    Ok((app, Arc::clone(build)))
}

fn no_package() -> ActionError {
    ActionError::Unprocessable(
        "Unable to use package. Ensure that the package exists and you have access to it."
            .to_owned(),
    )
}
