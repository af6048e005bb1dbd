//! Revisions.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

use super::{ActionError, Actions, Caller, Feature, apps};
use crate::{
    authz::Verb,
    model::{
        App, AppId, AppState, Blueprint, DropletId, DropletState, Metadata, Process, Revision,
        RevisionId, Timestamp,
    },
    store::{State, Tx},
    wire::package::Update,
};

impl Actions {
    /// The revisions of an app, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn revisions(
        &self,
        caller: &Caller,
        app: AppId,
    ) -> Result<Vec<Arc<Revision>>, ActionError> {
        let state = self.store.state();
        apps::find(&state, caller, Verb::ReadSpace, app)?;
        let all = state.revisions_of(app);
        Ok(all
            .filter_map(|one| state.revisions.get(&one.id).cloned())
            .collect())
    }

    /// The revisions that run.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn deployed_revisions(
        &self,
        caller: &Caller,
        app: AppId,
    ) -> Result<Vec<Arc<Revision>>, ActionError> {
        let state = self.store.state();
        let app = apps::find(&state, caller, Verb::ReadSpace, app)?;
        if app.state == AppState::Stopped {
            return Ok(Vec::new());
        }
        let running: BTreeSet<RevisionId> = state
            .processes_of(app.id)
            .filter_map(|process| process.revision)
            .collect();
        let found = running.iter().filter_map(|id| state.revisions.get(id));
        Ok(found.cloned().collect())
    }

    /// The revision, if the caller may see it, or may do `verb` to it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn revision(
        &self,
        caller: &Caller,
        verb: Verb,
        id: RevisionId,
    ) -> Result<Arc<Revision>, ActionError> {
        find(&self.store.state(), caller, verb, id).map(|(_, revision)| revision)
    }

    /// Changes labels and annotations.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn update_revision(
        &self,
        caller: &Caller,
        id: RevisionId,
        body: Update,
    ) -> Result<Revision, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let (_, old) = find(tx, caller, Verb::OperateApps, id)?;
                let mut revision = Revision::clone(&old);
                let patched = body.metadata.apply(&mut revision.metadata);
                patched.map_err(ActionError::Unprocessable)?;
                revision.updated_at = now;
                tx.put(revision.clone());
                Ok(revision)
            })
            .await
    }
}

fn find(
    state: &State,
    caller: &Caller,
    verb: Verb,
    id: RevisionId,
) -> Result<(Arc<App>, Arc<Revision>), ActionError> {
    let missing = ActionError::NotFound("Revision");
    let Some(revision) = state.revisions.get(&id) else {
        return Err(missing);
    };
    let app = apps::find(state, caller, verb, revision.app).map_err(|error| match error {
        ActionError::NotFound(_) => missing,
        other => other,
    })?;
    Ok((app, Arc::clone(revision)))
}

/// Whether there is still something to run from.
#[must_use]
pub fn is_deployable(state: &State, revision: &Revision) -> bool {
    let droplet = state.droplets.get(&revision.blueprint.droplet);
    droplet.is_some_and(|droplet| matches!(droplet.state, DropletState::Staged { .. }))
}

/// Whether the app keeps revisions.
pub(super) fn are_kept(app: &App) -> bool {
    Feature::named("revisions").is_some_and(|feature| feature.is_on(app))
}

/// What decides how `app` runs from `droplet` with its next start.
pub(super) fn blueprint(state: &State, app: &App, droplet: DropletId) -> Blueprint {
    let commands = state.processes_of(app.id);
    Blueprint {
        droplet,
        env: app.env.clone(),
        // The newest of each type comes last, and counts.
        commands: commands
            .map(|process| (process.process_type.clone(), process.command.clone()))
            .collect(),
        sidecars: state.sidecar_plans(app.id),
    }
}

/// The revision of what `app` is about to run: its newest, or one more where anything is new.
pub(super) fn resolve(
    tx: &mut Tx,
    caller: &Caller,
    app: &App,
    now: Timestamp,
) -> Option<(RevisionId, u64)> {
    let droplet = app.current_droplet.filter(|_| are_kept(app))?;
    let blueprint = blueprint(tx, app, droplet);
    let newest = tx.revisions_of(app.id).next_back();
    let description = match newest {
        None => "Initial revision.".to_owned(),
        Some(newest) => {
            let news = blueprint.news(&newest.blueprint);
            if news.is_empty() {
                return Some((newest.id, newest.version));
            }
            news.join(" ")
        }
    };
    Some(add(tx, caller, app, (blueprint, description), now))
}

/// The revision that brings back `target`.
///
/// # Errors
/// Where that is what runs.
pub(super) fn roll_back(
    tx: &mut Tx,
    caller: &Caller,
    app: &App,
    target: &Revision,
    now: Timestamp,
) -> Result<(RevisionId, u64), ActionError> {
    let newest = tx.revisions_of(app.id).next_back();
    let mut news = newest.map_or_else(Vec::new, |newest| target.blueprint.news(&newest.blueprint));
    if news.is_empty() {
        return Err(ActionError::Unprocessable(
            "Unable to rollback. The code and configuration you are rolling back to is the same \
             as the deployed revision."
                .to_owned(),
        ));
    }
    news.push(format!("Rolled back to revision {}.", target.version));
    let new = (target.blueprint.clone(), news.join(" "));
    Ok(add(tx, caller, app, new, now))
}

fn add(
    tx: &mut Tx,
    caller: &Caller,
    app: &App,
    (blueprint, description): (Blueprint, String),
    now: Timestamp,
) -> (RevisionId, u64) {
    let newest = tx.revisions_of(app.id).next_back();
    let version = newest.map_or(1, Revision::next_version);
    // Whatever the clock does, the newest is the one that was made last.
    let created_at = newest.map_or(now, |newest| {
        now.max(Timestamp::from_millis(newest.created_at.millis() + 1))
    });
    // Numbers begin again after thousands.
    let same = tx.revisions_of(app.id).find(|one| one.version == version);
    if let Some(same) = same.map(|one| one.id) {
        tx.delete(same);
    }
    let id = RevisionId::random();
    tx.put(Revision {
        id,
        app: app.id,
        version,
        description,
        blueprint,
        metadata: Metadata::default(),
        created_at,
        updated_at: created_at,
    });
    let data = json!({ "revision_guid": id.to_string(), "revision_version": version });
    apps::note(tx, caller, "audit.app.revision.create", app, data, now);
    (id, version)
}

/// Notes what all processes of `app` are started with.
pub(super) fn mark(tx: &mut Tx, app: AppId, revision: Option<RevisionId>) {
    let others = tx.processes_of(app).filter(|one| one.revision != revision);
    let others: Vec<Process> = others.cloned().collect();
    for process in others {
        tx.put(Process {
            revision,
            ..process
        });
    }
}
