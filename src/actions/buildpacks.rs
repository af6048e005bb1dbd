//! Classic buildpacks: made, ordered, replaced and deleted by admins, used by everybody.

use std::sync::Arc;

use serde_json::json;

use super::{
    ActionError, Actions, Caller,
    audit::{audit, target},
    jobs::finished_job,
    stacks,
};
use crate::{
    authz::Place,
    blobs::Blob,
    model::{Buildpack, BuildpackId, Job, Metadata, Timestamp},
    runtimes::Catalog,
    store::{State, Tx},
    wire::buildpack::{Create, Update},
};

/// The longest name, as in Cloud Foundry.
const LONGEST_NAME: usize = 250;

impl Actions {
    /// The buildpacks of the operator, in their order.
    #[must_use]
    pub fn buildpacks(&self) -> Vec<Arc<Buildpack>> {
        in_order(&self.store.state())
    }

    /// One of them.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn buildpack(&self, id: BuildpackId) -> Result<Arc<Buildpack>, ActionError> {
        find(&self.store.state(), id)
    }

    /// Makes a buildpack, which has no bits yet. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, the name is taken, or a value is wrong.
    pub async fn create_buildpack(
        &self,
        caller: &Caller,
        body: Create,
    ) -> Result<Buildpack, ActionError> {
        caller.need_admin()?;
        check_name(&body.name)?;
        check_kind(body.lifecycle.as_deref())?;
        if let Some(stack) = &body.stack {
            stacks::check(&self.stacks(), Some(stack), false)
                .map_err(ActionError::Unprocessable)?;
        }
        let position = position(body.position.unwrap_or(1))?;
        let mut metadata = Metadata::default();
        body.metadata
            .apply(&mut metadata)
            .map_err(ActionError::Unprocessable)?;
        let now = self.now();
        let catalog = self.catalog();
        self.store
            .commit(move |tx| {
                let buildpack = Buildpack {
                    id: BuildpackId::random(),
                    name: body.name,
                    stack: body.stack,
                    position: 0,
                    enabled: body.enabled.unwrap_or(true),
                    locked: body.locked.unwrap_or_default(),
                    filename: None,
                    bits: None,
                    metadata,
                    created_at: now,
                    updated_at: now,
                };
                unique(tx, &buildpack)?;
                let buildpack = put_at(tx, buildpack, position, &catalog);
                note(tx, caller, "create", &buildpack, now);
                Ok(buildpack)
            })
            .await
    }

    /// Changes a buildpack. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, the name is taken, or a value is wrong.
    pub async fn update_buildpack(
        &self,
        caller: &Caller,
        id: BuildpackId,
        body: Update,
    ) -> Result<Buildpack, ActionError> {
        caller.need_admin()?;
        let place = body.position.map(position).transpose()?;
        let now = self.now();
        let catalog = self.catalog();
        self.store
            .commit(move |tx| {
                let mut buildpack = Buildpack::clone(&*find(tx, id)?);
                if let Some(name) = body.name {
                    check_name(&name)?;
                    buildpack.name = name;
                }
                if let Some(stack) = body.stack {
                    stacks::check(&stacks::all(tx), Some(&stack), false)
                        .map_err(ActionError::Unprocessable)?;
                    if buildpack.stack.as_ref().is_some_and(|old| *old != stack) {
                        return Err(ActionError::Unprocessable(
                            "Buildpack stack can not be changed once it is set".to_owned(),
                        ));
                    }
                    buildpack.stack = Some(stack);
                }
                buildpack.enabled = body.enabled.unwrap_or(buildpack.enabled);
                buildpack.locked = body.locked.unwrap_or(buildpack.locked);
                body.metadata
                    .apply(&mut buildpack.metadata)
                    .map_err(ActionError::Unprocessable)?;
                buildpack.updated_at = now;
                unique(tx, &buildpack)?;
                let place = place.unwrap_or(buildpack.position);
                let buildpack = put_at(tx, buildpack, place, &catalog);
                note(tx, caller, "update", &buildpack, now);
                Ok(buildpack)
            })
            .await
    }

    /// Deletes a buildpack; droplets that were made with it stay. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn delete_buildpack(
        &self,
        caller: &Caller,
        id: BuildpackId,
    ) -> Result<Job, ActionError> {
        caller.need_admin()?;
        let now = self.now();
        let catalog = self.catalog();
        self.store
            .commit(move |tx| {
                let buildpack = find(tx, id)?;
                tx.delete(id);
                // The one after it comes up, but where a runtime gets its name back.
                let mut left = places(tx, &catalog);
                let at = index(buildpack.position);
                if at < left.len() && !catalog.buildpacks().any(|name| buildpack.is_called(name)) {
                    left.remove(at);
                }
                renumber(tx, &left);
                note(tx, caller, "delete", &buildpack, now);
                Ok(finished_job(tx, "buildpack.delete", now))
            })
            .await
    }

    /// Passes where the caller may upload the buildpack's bits.
    ///
    /// # Errors
    /// Where not.
    pub fn check_buildpack_upload(
        &self,
        caller: &Caller,
        id: BuildpackId,
    ) -> Result<(), ActionError> {
        caller.need_admin()?;
        let buildpack = self.buildpack(id)?;
        unlocked(&buildpack)
    }

    /// Gives the buildpack the zip that was uploaded for it.
    ///
    /// # Errors
    /// Where the caller may not, the buildpack is locked, or it is no zip.
    pub async fn finish_buildpack_upload(
        &self,
        caller: &Caller,
        id: BuildpackId,
        bits: Blob,
        filename: String,
    ) -> Result<(Buildpack, Job), ActionError> {
        let bits = self.blobs.put_package(Some(bits), Vec::new()).await?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut buildpack = Buildpack::clone(&*find(tx, id)?);
                unlocked(&buildpack)?;
                buildpack.bits = Some(bits.sha256);
                buildpack.filename = Some(filename);
                buildpack.updated_at = now;
                tx.put(buildpack.clone());
                note(tx, caller, "upload", &buildpack, now);
                let job = finished_job(tx, "buildpack.upload", now);
                Ok((buildpack, job))
            })
            .await
    }
}

fn find(state: &State, id: BuildpackId) -> Result<Arc<Buildpack>, ActionError> {
    let found = state.buildpacks.get(&id).cloned();
    found.ok_or(ActionError::NotFound("Buildpack"))
}

fn in_order(state: &State) -> Vec<Arc<Buildpack>> {
    let mut all: Vec<_> = state.buildpacks.values().cloned().collect();
    all.sort_by_key(|buildpack| (buildpack.position, buildpack.id));
    all
}

/// What is at each place: one of the operator's, or none where the platform's own fill it.
fn places(state: &State, catalog: &Catalog) -> Vec<Option<Arc<Buildpack>>> {
    let own = in_order(state);
    let last = own.last().map_or(0, |last| index(last.position) + 1);
    let mut places = vec![None; last.max(count(state, catalog))];
    for buildpack in own {
        let at = index(buildpack.position);
        places[at] = Some(buildpack);
    }
    places
}

/// How many buildpacks there are, the platform's own among them.
fn count(state: &State, catalog: &Catalog) -> usize {
    let own = || state.buildpacks.values();
    let names = catalog.buildpacks();
    own().len()
        + names
            .filter(|name| !own().any(|own| own.is_called(name)))
            .count()
}

/// Puts it in at `place`, or as the last.
fn put_at(tx: &mut Tx, mut buildpack: Buildpack, place: u32, catalog: &Catalog) -> Buildpack {
    let mut others = places(tx, catalog);
    others.retain(|other| other.as_ref().is_none_or(|other| other.id != buildpack.id));
    let at = index(place).min(others.len());
    buildpack.position = number(at);
    tx.put(buildpack.clone());
    others.insert(at, Some(Arc::new(buildpack.clone())));
    renumber(tx, &others);
    buildpack
}

/// Gives each of the operator's its place in the order.
fn renumber(tx: &mut Tx, order: &[Option<Arc<Buildpack>>]) {
    for (at, buildpack) in order.iter().enumerate() {
        let Some(buildpack) = buildpack else { continue };
        if buildpack.position != number(at) {
            let mut moved = Buildpack::clone(buildpack);
            moved.position = number(at);
            tx.put(moved);
        }
    }
}

/// The position of the one at `at`.
fn number(at: usize) -> u32 {
    u32::try_from(at + 1).unwrap_or(u32::MAX)
}

/// Where the one with this position is.
fn index(position: u32) -> usize {
    usize::try_from(position.saturating_sub(1)).unwrap_or(usize::MAX)
}

fn position(asked: i64) -> Result<u32, ActionError> {
    let least = "Position must be greater than or equal to 1";
    let asked = u32::try_from(asked).ok().filter(|place| *place > 0);
    asked.ok_or_else(|| ActionError::Unprocessable(least.to_owned()))
}

fn check_kind(kind: Option<&str>) -> Result<(), ActionError> {
    match kind {
        None | Some("buildpack") => Ok(()),
        Some(kind) => Err(ActionError::Unprocessable(format!(
            "Lifecycle '{kind}' is not one that buildpacks have here: buildpack"
        ))),
    }
}

fn check_name(name: &str) -> Result<(), ActionError> {
    let letter = |letter: char| letter.is_alphanumeric() || "_-. ".contains(letter);
    if !name.is_empty() && name.chars().count() <= LONGEST_NAME && name.chars().all(letter) {
        return Ok(());
    }
    Err(ActionError::Unprocessable(format!(
        "Name has 1 to {LONGEST_NAME} letters, digits, '_', '-' and '.'"
    )))
}

fn unique(tx: &Tx, wanted: &Buildpack) -> Result<(), ActionError> {
    let taken = tx.buildpacks.values().any(|other| {
        other.id != wanted.id && other.is_called(&wanted.name) && other.stack == wanted.stack
    });
    if !taken {
        return Ok(());
    }
    let name = &wanted.name;
    // Clients look for this text.
    Err(ActionError::Unprocessable(match &wanted.stack {
        Some(stack) => format!(
            "Buildpack with name '{name}', stack '{stack}' and lifecycle 'buildpack' already exists"
        ),
        None => format!("Buildpack with name '{name}' and an unassigned stack already exists"),
    }))
}

fn unlocked(buildpack: &Buildpack) -> Result<(), ActionError> {
    if buildpack.locked {
        return Err(ActionError::Unprocessable(
            "Buildpack is locked: unlock it before its bits are replaced".to_owned(),
        ));
    }
    Ok(())
}

fn note(tx: &mut Tx, caller: &Caller, what: &str, buildpack: &Buildpack, now: Timestamp) {
    let data = json!({ "request": { "name": buildpack.name, "position": buildpack.position } });
    let target = target("buildpack", buildpack.id, &buildpack.name);
    let kind = format!("audit.buildpack.{what}");
    audit(
        tx,
        &caller.actor(),
        &kind,
        target,
        Place::Platform,
        data,
        now,
    );
}
