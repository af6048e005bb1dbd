//! Droplets that no build made: uploaded ones, and copies.

use std::collections::BTreeMap;

use serde_json::json;

use super::{ActionError, Actions, Caller, apps, droplets, jobs::finished_job};
use crate::{
    authz::Verb,
    blobs::{Blob, BlobError},
    model::{
        App, AppId, Droplet, DropletId, DropletKind, DropletState, Job, LifecycleKind, Metadata,
        ProcessType,
    },
    store::{State, Tx},
    wire::{
        droplet::{Create, Recipe},
        platform::STACK_NAME,
    },
};

impl Actions {
    /// Makes a droplet whose bits are uploaded next.
    ///
    /// # Errors
    /// Where the caller may not, or the app has other droplets.
    pub async fn create_droplet(
        &self,
        caller: &Caller,
        body: Create,
    ) -> Result<Droplet, ActionError> {
        let types = body.process_types.into_iter().map(|(kind, command)| {
            let kind = ProcessType::parse(kind)?;
            Ok((kind, command))
        });
        let process_types = types.collect::<Result<BTreeMap<_, _>, ActionError>>()?;
        let app: Option<AppId> = body.relationships.app.id();
        let now = self.now();
        self.store
            .commit(|tx| {
                let app = target(tx, caller, app)?;
                if app.lifecycle.kind == LifecycleKind::Docker {
                    return Err(ActionError::Unprocessable(
                        "Droplet creation is not available for apps with docker lifecycles."
                            .to_owned(),
                    ));
                }
                let droplet = Droplet {
                    id: DropletId::random(),
                    app: app.id,
                    package: None,
                    build: None,
                    state: DropletState::AwaitingUpload,
                    kind: DropletKind::Process,
                    process_types,
                    env: BTreeMap::new(),
                    static_root: String::new(),
                    image: None,
                    launch: None,
                    buildpacks: Vec::new(),
                    stack: STACK_NAME.to_owned(),
                    metadata: Metadata::default(),
                    created_at: now,
                    updated_at: now,
                };
                add(tx, caller, &app, &droplet);
                Ok(droplet)
            })
            .await
    }

    /// Makes a droplet of another one, mostly of another app.
    ///
    /// # Errors
    /// Where the caller may not, or the source has no bits.
    pub async fn copy_droplet(
        &self,
        caller: &Caller,
        source: &str,
        body: Create,
    ) -> Result<Droplet, ActionError> {
        let source: Option<DropletId> = source.parse().ok();
        let app: Option<AppId> = body.relationships.app.id();
        let now = self.now();
        self.store
            .commit(|tx| {
                let app = target(tx, caller, app)?;
                let found = source.and_then(|id| {
                    let found = droplets::find(tx, caller, Verb::WriteApps, id);
                    found.ok().map(|(_, droplet)| droplet)
                });
                let source = found.ok_or_else(|| {
                    ActionError::Unprocessable(
                        "Unable to use source droplet. Ensure that the droplet exists and you \
                         have access to it."
                            .to_owned(),
                    )
                })?;
                let kind = match source.kind {
                    _ if source.launch.is_some() => LifecycleKind::Docker,
                    DropletKind::Cnb => LifecycleKind::Cnb,
                    _ => LifecycleKind::Buildpack,
                };
                if !matches!(source.state, DropletState::Staged { .. })
                    || kind != app.lifecycle.kind
                {
                    return Err(ActionError::Unprocessable(
                        "Only a staged droplet can be copied, and only to an app of the same \
                         lifecycle."
                            .to_owned(),
                    ));
                }
                let droplet = Droplet {
                    id: DropletId::random(),
                    app: app.id,
                    package: None,
                    build: None,
                    metadata: Metadata::default(),
                    created_at: now,
                    updated_at: now,
                    ..Droplet::clone(&source)
                };
                add(tx, caller, &app, &droplet);
                Ok(droplet)
            })
            .await
    }

    /// Passes where the caller may upload the droplet's bits, before any of them is read.
    ///
    /// # Errors
    /// Where the caller may not, or it has its bits.
    pub fn check_droplet_upload(&self, caller: &Caller, id: DropletId) -> Result<(), ActionError> {
        let state = self.store.state();
        let (_, droplet) = droplets::find(&state, caller, Verb::WriteApps, id)?;
        awaits(&droplet)
    }

    /// Makes a droplet of what was uploaded; where that is of no use, the droplet says so.
    ///
    /// # Errors
    /// Where the caller may not, it has its bits, or they cannot be kept.
    pub async fn finish_droplet_upload(
        &self,
        caller: &Caller,
        id: DropletId,
        bits: Blob,
    ) -> Result<(Droplet, Job), ActionError> {
        let imported = match self.blobs.import_droplet(&bits.sha256).await {
            Err(error @ BlobError::Io { .. }) => return Err(error.into()),
            other => other,
        };
        let now = self.now();
        self.store
            .commit(move |tx| {
                let (app, droplet) = droplets::find(tx, caller, Verb::WriteApps, id)?;
                awaits(&droplet)?;
                let mut droplet = Droplet::clone(&droplet);
                droplet.updated_at = now;
                match imported {
                    Ok((blob, told)) => {
                        let told = told.and_then(|told| serde_json::from_slice(&told).ok());
                        if let Some(recipe) = told {
                            follow(&mut droplet, recipe);
                        }
                        droplet.state = DropletState::Staged {
                            sha256: blob.sha256,
                            size: blob.size,
                        };
                    }
                    Err(error) => {
                        let error = error.to_string();
                        droplet.state = DropletState::Failed { error };
                    }
                }
                tx.put(droplet.clone());
                let data = json!({ "droplet_guid": id.to_string() });
                apps::note(tx, caller, "audit.app.droplet.upload", &app, data, now);
                let job = finished_job(tx, "droplet.upload", now);
                Ok((droplet, job))
            })
            .await
    }
}

/// Lets the droplet be run as it was where it came from. What its maker said counts more.
fn follow(droplet: &mut Droplet, recipe: Recipe) {
    droplet.kind = match recipe.kind {
        // Its root is not in the archive.
        DropletKind::Image | DropletKind::Cnb => DropletKind::Process,
        kind => kind,
    };
    let said = std::mem::take(&mut droplet.process_types);
    droplet.process_types = recipe.process_types;
    droplet.process_types.extend(said);
    droplet.env = recipe.env;
    droplet.static_root = recipe.static_root;
    droplet.buildpacks = recipe.buildpacks;
}

fn add(tx: &mut Tx, caller: &Caller, app: &App, droplet: &Droplet) {
    tx.put(droplet.clone());
    let data = json!({ "droplet_guid": droplet.id.to_string() });
    let now = droplet.created_at;
    apps::note(tx, caller, "audit.app.droplet.create", app, data, now);
}

fn target(
    state: &State,
    caller: &Caller,
    app: Option<AppId>,
) -> Result<std::sync::Arc<App>, ActionError> {
    let found = app.map(|app| apps::find(state, caller, Verb::WriteApps, app));
    match found {
        None | Some(Err(ActionError::NotFound(_))) => Err(ActionError::Unprocessable(
            "App with guid does not exist, or you do not have access to it.".to_owned(),
        )),
        Some(other) => other,
    }
}

fn awaits(droplet: &Droplet) -> Result<(), ActionError> {
    if droplet.state == DropletState::AwaitingUpload {
        return Ok(());
    }
    Err(ActionError::Unprocessable(
        "Droplet may be uploaded only once. Create a new droplet to upload bits.".to_owned(),
    ))
}
