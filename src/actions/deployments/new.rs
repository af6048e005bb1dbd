//! A deployment in the making.

use std::sync::Arc;

use super::options;
use crate::{
    actions::{ActionError, Actions, Caller, app_env, current_droplet, revisions, sidecars},
    model::{
        App, AppState, Deployment, DeploymentId, DeploymentOptions, DeploymentState, Droplet,
        DropletId, Metadata, Pin, Process, ProcessId, ProcessType, Revision, RevisionId, Strategy,
        Timestamp,
    },
    store::{State, Tx},
};

/// What is asked for, checked as far as it can be without the app.
#[derive(Debug, Clone)]
pub(super) struct New {
    pub(super) strategy: Strategy,
    pub(super) options: DeploymentOptions,
    /// A droplet, or something that is none.
    pub(super) droplet: Option<Option<DropletId>>,
    /// A revision, or something that is none.
    pub(super) revision: Option<Option<RevisionId>>,
    pub(super) metadata: Metadata,
}

fn refused<T>(text: &str) -> Result<T, ActionError> {
    Err(ActionError::Unprocessable(text.to_owned()))
}

impl New {
    /// Puts the deployment of `app` into the change.
    pub(super) fn put(
        self,
        actions: &Actions,
        tx: &mut Tx,
        caller: &Caller,
        app: &App,
        now: Timestamp,
    ) -> Result<Deployment, ActionError> {
        let target = self.target(tx, app)?;
        let droplet = self.droplet(tx, app, target.as_deref())?;
        let before = tx.active_deployment(app.id).cloned();
        let webs = tx.processes_of_type(app.id, &ProcessType::web());
        let webs: Vec<Process> = webs.cloned().collect();
        let (Some(oldest), Some(newest)) = (webs.first(), webs.last()) else {
            return refused("The app has no web process.");
        };
        let original = before.as_ref().map_or(oldest.instances, |one| one.original);
        let running = app.state == AppState::Started;
        if running {
            pin_all(tx, app);
        }
        let previous = app.current_droplet;
        let mut app = app.clone();
        if let Some(target) = &target {
            app.env.clone_from(&target.blueprint.env);
            sidecars::replace(tx, app.id, &target.blueprint.sidecars, now);
            app_env::check_size(&app.env).map_err(ActionError::Unprocessable)?;
        }
        app.current_droplet = Some(droplet.id);
        app.updated_at = now;
        tx.put(app.clone());
        current_droplet::add_processes(actions, tx, caller, &app, &droplet, now);
        let revision = match &target {
            Some(target) => Some(revisions::roll_back(tx, caller, &app, target, now)?),
            None => revisions::resolve(tx, caller, &app, now),
        };
        let mut deployment = Deployment {
            id: DeploymentId::random(),
            app: app.id,
            strategy: self.strategy,
            state: DeploymentState::Deployed,
            options: self.options,
            step: 1,
            original,
            droplet: droplet.id,
            previous_droplet: previous,
            process: None,
            revision,
            rollback: target.is_some(),
            healthy_at: now,
            state_at: now,
            metadata: self.metadata,
            created_at: before.as_ref().map_or(now, |before| {
                now.max(Timestamp::from_millis(before.created_at.millis() + 1))
            }),
            updated_at: now,
        };
        let mut web = Process::clone(newest);
        if let Some(target) = &target {
            let kind = &web.process_type;
            web.command = target.blueprint.commands.get(kind).cloned().flatten();
        }
        options::scale(&mut web, &deployment.options).map_err(ActionError::Unprocessable)?;
        web.updated_at = now;
        if running {
            deployment.state = match deployment.strategy {
                Strategy::Rolling => DeploymentState::Deploying,
                Strategy::Canary => DeploymentState::Prepaused,
            };
            web = beside(web, &mut deployment, now);
            tx.put(web);
        } else {
            web.instances = deployment.goal();
            tx.put(web);
            start(tx, app, &deployment, now);
        }
        if let Some(mut before) = before {
            before.becomes(DeploymentState::Superseded, now);
            tx.put(before);
        }
        tx.put(deployment.clone());
        Ok(deployment)
    }

    /// The revision to go back to.
    fn target(&self, state: &State, app: &App) -> Result<Option<Arc<Revision>>, ActionError> {
        let Some(revision) = self.revision else {
            return Ok(None);
        };
        if self.droplet.is_some() {
            return refused("Droplet Cannot set both fields 'droplet' and 'revision'");
        }
        if !revisions::are_kept(app) {
            return refused(
                "Cannot create deployment from a revision for an app without revisions enabled",
            );
        }
        let found = revision.and_then(|id| state.revisions.get(&id));
        let Some(found) = found.filter(|revision| revision.app == app.id) else {
            return refused("The revision does not exist");
        };
        if !revisions::is_deployable(state, found) {
            return refused(
                "Unable to deploy this revision, the droplet for this revision no longer exists.",
            );
        }
        Ok(Some(Arc::clone(found)))
    }

    fn droplet(
        &self,
        state: &State,
        app: &App,
        target: Option<&Revision>,
    ) -> Result<Arc<Droplet>, ActionError> {
        let id = match (target, self.droplet) {
            (Some(target), _) => Some(target.blueprint.droplet),
            (None, Some(droplet)) => droplet,
            (None, None) if app.current_droplet.is_none() => {
                return refused(
                    "Invalid droplet. Please specify a droplet in the request or set a current \
                     droplet for the app.",
                );
            }
            (None, None) => app.current_droplet,
        };
        current_droplet::usable(state, app.id, id)
    }
}

/// Lets all that runs go on running as it does, whatever is changed from now on.
fn pin_all(tx: &mut Tx, app: &App) {
    let Some(droplet) = app.current_droplet else {
        return;
    };
    let loose = tx.processes_of(app.id).filter(|one| one.pin.is_none());
    let loose: Vec<Process> = loose.cloned().collect();
    for process in loose {
        // Changes since the last start wait for the next one, also where that is another's.
        let revision = process.revision.and_then(|id| tx.revisions.get(&id));
        let began = revision.map(|revision| &revision.blueprint);
        let env = began.map_or_else(|| app.env.clone(), |began| began.env.clone());
        let sidecars =
            began.map_or_else(|| tx.sidecar_plans(app.id), |began| began.sidecars.clone());
        let command = began
            .and_then(|began| began.commands.get(&process.process_type))
            .map_or_else(|| process.command.clone(), Clone::clone);
        let pin = Some(Pin {
            generation: app.generation,
            droplet,
            env,
            command,
            sidecars,
        });
        tx.put(Process { pin, ..process });
    }
}

/// The process that takes the place of `web`, beside it at first.
fn beside(web: Process, deployment: &mut Deployment, now: Timestamp) -> Process {
    let id = ProcessId::random();
    deployment.process = Some(id);
    let goal = match deployment.state {
        DeploymentState::Prepaused => deployment.step_instances(),
        _ => deployment.goal(),
    };
    Process {
        id,
        instances: goal.min(deployment.options.max_in_flight),
        generation: 0,
        revision: deployment.revision.map(|(id, _)| id),
        pin: None,
        // The newest of a type is the one that counts.
        created_at: now.max(Timestamp::from_millis(web.created_at.millis() + 1)),
        updated_at: now,
        ..web
    }
}

/// A stopped app is just started with what the deployment brings.
fn start(tx: &mut Tx, mut app: App, deployment: &Deployment, now: Timestamp) {
    app.state = AppState::Started;
    app.generation += 1;
    app.updated_at = now;
    let id = app.id;
    tx.put(app);
    revisions::mark(tx, id, deployment.revision.map(|(id, _)| id));
}
