//! Asking for deployments, and having a say in those that are under way.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{new::New, options};
use crate::{
    actions::{ActionError, Actions, Caller, apps, current_droplet, quotas, sidecars},
    authz::Verb,
    model::{
        App, AppId, Deployment, DeploymentId, DeploymentState, Metadata, Pin, Process, ProcessType,
    },
    store::{State, Tx},
    wire::{
        deployment::{Create, status, strategy},
        package::Update,
    },
};

impl Actions {
    /// The deployments that the caller may see.
    #[must_use]
    pub fn deployments(&self, caller: &Caller) -> Vec<Arc<Deployment>> {
        let state = self.store.state();
        let sees = |deployment: &&Arc<Deployment>| {
            let app = state.apps.get(&deployment.app);
            app.is_some_and(|app| caller.may_in_space(&state, Verb::ReadSpace, app.space))
        };
        state.deployments.values().filter(sees).cloned().collect()
    }

    /// The deployment, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn deployment(
        &self,
        caller: &Caller,
        id: DeploymentId,
    ) -> Result<Arc<Deployment>, ActionError> {
        find(&self.store.state(), caller, Verb::ReadSpace, id).map(|(_, deployment)| deployment)
    }

    /// Asks for an app's instances to be replaced while it goes on; one that is stopped is just
    /// started.
    ///
    /// # Errors
    /// Where the caller may not, there is nothing to deploy, or a value is refused.
    pub async fn create_deployment(
        &self,
        caller: &Caller,
        body: Create,
    ) -> Result<Deployment, ActionError> {
        let refused = ActionError::Unprocessable;
        let mut metadata = Metadata::default();
        body.metadata.apply(&mut metadata).map_err(refused)?;
        let how = options::strategy(body.strategy.as_deref()).map_err(refused)?;
        let request = json!({
            "strategy": strategy(how),
            "droplet": body.droplet.as_ref().map(|droplet| &droplet.guid),
            "revision": body.revision.as_ref().map(|revision| &revision.guid),
        });
        let new = New {
            strategy: how,
            options: options::options(how, body.options).map_err(refused)?,
            droplet: body.droplet.map(|droplet| droplet.id()),
            revision: body.revision.map(|revision| revision.guid.parse().ok()),
            metadata,
        };
        let app: Option<AppId> = body.relationships.app.id();
        let now = self.now();
        let deployment = self
            .store
            .commit(|tx| {
                let app = app.ok_or_else(no_app)?;
                let app = apps::find(tx, caller, Verb::OperateApps, app);
                let app = app.map_err(|error| match error {
                    ActionError::NotFound(_) => no_app(),
                    other => other,
                })?;
                let deployment =
                    quotas::within(tx, app.space, |tx| new.put(self, tx, caller, &app, now))?;
                let mut data = told(&deployment);
                data["request"] = request;
                data["strategy"] = json!(strategy(how));
                if deployment.rollback {
                    data["type"] = json!("rollback");
                }
                apps::note(tx, caller, "audit.app.deployment.create", &app, data, now);
                Ok::<_, ActionError>(deployment)
            })
            .await?;
        let app = deployment.app;
        self.log(app, format!("Creating deployment for app with guid {app}"));
        Ok(deployment)
    }

    /// Lets what was there before take the place of a deployment's instances again.
    ///
    /// # Errors
    /// Where the caller may not, or it is not under way any more.
    pub async fn cancel_deployment(
        &self,
        caller: &Caller,
        id: DeploymentId,
    ) -> Result<(), ActionError> {
        let now = self.now();
        let app = self
            .store
            .commit(move |tx| {
                let (app, deployment) = find(tx, caller, Verb::OperateApps, id)?;
                if !deployment.state.is_active() {
                    return Err(cannot("cancel", deployment.state));
                }
                if deployment.state == DeploymentState::Canceling {
                    return Ok(app.id);
                }
                // The oldest is what ran before this deployment and all that it took over from.
                let pin = tx
                    .processes_of_type(app.id, &ProcessType::web())
                    .next()
                    .and_then(|web| web.pin.clone());
                let previous = pin.as_ref().map(|pin| pin.droplet);
                let previous = current_droplet::usable(tx, app.id, previous).map_err(|_| {
                    ActionError::Unprocessable(
                        "Cannot cancel due to invalid previous droplet. Ensure the droplet exists \
                         and belongs to this app."
                            .to_owned(),
                    )
                })?;
                let mut deployment = Deployment::clone(&deployment);
                let mut app = App::clone(&app);
                pin_new(tx, &app, &deployment);
                if let Some(pin) = pin.filter(|_| deployment.rollback) {
                    app.env = pin.env;
                    sidecars::replace(tx, app.id, &pin.sidecars, now);
                }
                app.current_droplet = Some(previous.id);
                app.updated_at = now;
                tx.put(app.clone());
                deployment.becomes(DeploymentState::Canceling, now);
                let data = told(&deployment);
                tx.put(deployment);
                apps::note(tx, caller, "audit.app.deployment.cancel", &app, data, now);
                Ok(app.id)
            })
            .await?;
        self.log(app, format!("Canceling deployment for app with guid {app}"));
        Ok(())
    }

    /// Lets a canary go on to its next step, or to the end.
    ///
    /// # Errors
    /// Where the caller may not, or it does not wait for that.
    pub async fn continue_deployment(
        &self,
        caller: &Caller,
        id: DeploymentId,
    ) -> Result<(), ActionError> {
        let now = self.now();
        let app = self
            .store
            .commit(move |tx| {
                let (app, deployment) = find(tx, caller, Verb::OperateApps, id)?;
                if deployment.state != DeploymentState::Paused {
                    return Err(cannot("continue", deployment.state));
                }
                let mut deployment = Deployment::clone(&deployment);
                if deployment.step < deployment.steps() {
                    deployment.step += 1;
                    deployment.becomes(DeploymentState::Prepaused, now);
                } else {
                    deployment.becomes(DeploymentState::Deploying, now);
                }
                let data = told(&deployment);
                tx.put(deployment);
                apps::note(tx, caller, "audit.app.deployment.continue", &app, data, now);
                Ok(app.id)
            })
            .await?;
        self.log(
            app,
            format!("Continuing deployment for app with guid {app}"),
        );
        Ok(())
    }

    /// Changes labels and annotations.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn update_deployment(
        &self,
        caller: &Caller,
        id: DeploymentId,
        body: Update,
    ) -> Result<Deployment, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let (_, old) = find(tx, caller, Verb::OperateApps, id)?;
                let mut deployment = Deployment::clone(&old);
                let patched = body.metadata.apply(&mut deployment.metadata);
                patched.map_err(ActionError::Unprocessable)?;
                deployment.updated_at = now;
                tx.put(deployment.clone());
                Ok(deployment)
            })
            .await
    }
}

/// What a deployment's new instances run from stays theirs while they are replaced again.
fn pin_new(tx: &mut Tx, app: &App, deployment: &Deployment) {
    let new = deployment
        .process
        .and_then(|id| tx.processes.get(&id).cloned());
    if let Some(new) = new {
        tx.put(Process {
            pin: Some(Pin {
                generation: app.generation,
                droplet: deployment.droplet,
                env: app.env.clone(),
                command: new.command.clone(),
                sidecars: tx.sidecar_plans(app.id),
            }),
            ..Process::clone(&new)
        });
    }
}

/// What every event of a deployment tells.
fn told(deployment: &Deployment) -> Value {
    json!({
        "deployment_guid": deployment.id.to_string(),
        "droplet_guid": deployment.droplet.to_string(),
        "revision_guid": deployment.revision.map(|(id, _)| id.to_string()),
    })
}

fn no_app() -> ActionError {
    ActionError::Unprocessable(
        "Unable to use app. Ensure that the app exists and you have access to it.".to_owned(),
    )
}

fn cannot(verb: &str, state: DeploymentState) -> ActionError {
    let (value, reason) = status(state);
    ActionError::Unprocessable(format!(
        "Cannot {verb} a deployment with status: {value} and reason: {reason}"
    ))
}

fn find(
    state: &State,
    caller: &Caller,
    verb: Verb,
    id: DeploymentId,
) -> Result<(Arc<App>, Arc<Deployment>), ActionError> {
    let missing = ActionError::NotFound("Deployment");
    let Some(deployment) = state.deployments.get(&id) else {
        return Err(missing);
    };
    let app = apps::find(state, caller, verb, deployment.app).map_err(|error| match error {
        ActionError::NotFound(_) => missing,
        other => other,
    })?;
    Ok((app, Arc::clone(deployment)))
}

/// Passes where no deployment of the app is under way.
///
/// # Errors
/// `refusal`, where one is.
pub(crate) fn idle(state: &State, app: AppId, refusal: ActionError) -> Result<(), ActionError> {
    match state.active_deployment(app) {
        Some(_) => Err(refusal),
        None => Ok(()),
    }
}
