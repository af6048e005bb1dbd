//! Packages: what people upload.

use std::sync::Arc;

use serde_json::json;

use super::{ActionError, Actions, Caller, apps, jobs::finished_job};
use crate::{
    authz::Verb,
    blobs::{Blob, BlobError, Resource},
    model::{App, AppId, Job, Metadata, Package, PackageId, PackageState},
    store::State,
    wire::package::{Create, Update},
};

/// What arrived for a package.
#[derive(Debug, Clone, Default)]
pub struct Upload {
    /// The zip, where there was one: not if every file is kept already.
    pub bits: Option<Blob>,
    /// Files that are kept already.
    pub matched: Vec<Resource>,
}

impl Actions {
    /// The packages that the caller may see.
    #[must_use]
    pub fn packages(&self, caller: &Caller) -> Vec<Arc<Package>> {
        let state = self.store.state();
        let packages = state.packages.values();
        packages
            .filter(|package| {
                state
                    .apps
                    .get(&package.app)
                    .is_some_and(|app| caller.may_in_space(&state, Verb::ReadSpace, app.space))
            })
            .cloned()
            .collect()
    }

    /// The package, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn package(&self, caller: &Caller, id: PackageId) -> Result<Arc<Package>, ActionError> {
        find(&self.store.state(), caller, Verb::ReadSpace, id).map(|(_, package)| package)
    }

    /// Makes a package that awaits its upload.
    ///
    /// # Errors
    /// Where the caller may not, or it is not for bits.
    pub async fn create_package(
        &self,
        caller: &Caller,
        body: Create,
    ) -> Result<Package, ActionError> {
        match body.kind.as_deref() {
            Some("bits") => {}
            Some("docker") => {
                return Err(ActionError::Unprocessable(
                    "Docker images are not supported on this platform; push the app's files \
                     instead (type 'bits')."
                        .to_owned(),
                ));
            }
            other => {
                return Err(ActionError::Unprocessable(format!(
                    "Type must be one of 'bits', not '{}'",
                    other.unwrap_or_default()
                )));
            }
        }
        self.new_package(caller, &body, PackageState::AwaitingUpload)
            .await
    }

    /// Makes a package with the bits of another one.
    ///
    /// # Errors
    /// Where the caller may not write to both apps' spaces, or there are no bits.
    pub async fn copy_package(
        &self,
        caller: &Caller,
        source: &str,
        body: Create,
    ) -> Result<Package, ActionError> {
        let state = self.store.state();
        let source = source
            .parse()
            .ok()
            .and_then(|id| find(&state, caller, Verb::WriteApps, id).ok())
            .ok_or_else(|| {
                ActionError::Unprocessable(
                    "Unable to use source package. Ensure that the package exists and you have \
                     access to it."
                        .to_owned(),
                )
            })?
            .1;
        let PackageState::Ready { sha256 } = &source.state else {
            return Err(ActionError::Unprocessable(
                "The source package has no bits: copy one that is READY.".to_owned(),
            ));
        };
        let state = PackageState::Ready {
            sha256: sha256.clone(),
        };
        self.new_package(caller, &body, state).await
    }

    async fn new_package(
        &self,
        caller: &Caller,
        body: &Create,
        state: PackageState,
    ) -> Result<Package, ActionError> {
        let app = body.relationships.app.data.as_ref();
        let app: Option<AppId> = app.and_then(|app| app.guid.parse().ok());
        let mut metadata = Metadata::default();
        body.metadata
            .apply(&mut metadata)
            .map_err(ActionError::Unprocessable)?;
        let now = self.now();
        self.store
            .commit(|tx| {
                let app = app.ok_or_else(no_app)?;
                let app =
                    apps::find(tx, caller, Verb::WriteApps, app).map_err(|error| match error {
                        ActionError::NotFound(_) => no_app(),
                        other => other,
                    })?;
                let package = Package {
                    id: PackageId::random(),
                    app: app.id,
                    state,
                    metadata,
                    created_at: now,
                    updated_at: now,
                };
                tx.put(package.clone());
                let data = json!({
                    "package_guid": package.id.to_string(),
                    "request": { "type": "bits" },
                });
                apps::note(tx, caller, "audit.app.package.create", &app, data, now);
                Ok(package)
            })
            .await
    }

    /// Passes where the caller may upload the bits of the package, and it has none.
    ///
    /// # Errors
    /// Where not.
    pub fn check_upload(&self, caller: &Caller, id: PackageId) -> Result<(), ActionError> {
        let (_, package) = find(&self.store.state(), caller, Verb::WriteApps, id)?;
        awaits(&package)
    }

    /// Gives the package what was uploaded for it. Of two uploads at once the first to come
    /// to its end counts.
    ///
    /// # Errors
    /// Where the bits are not what they should be, in which case the package has failed for
    /// good, or where the package has bits by now.
    pub async fn finish_upload(
        &self,
        caller: &Caller,
        id: PackageId,
        upload: Upload,
    ) -> Result<Package, ActionError> {
        let outcome = self.blobs.put_package(upload.bits, upload.matched).await;
        let state = match &outcome {
            Ok(blob) => PackageState::Ready {
                sha256: blob.sha256.clone(),
            },
            Err(error @ (BlobError::Refused(_) | BlobError::TooLarge { .. })) => {
                PackageState::Failed {
                    error: error.to_string(),
                }
            }
            // Nothing is wrong with the bits: they may come again.
            Err(_) => PackageState::AwaitingUpload,
        };
        let now = self.now();
        let package = self
            .store
            .commit(move |tx| {
                let (app, old) = find(tx, caller, Verb::WriteApps, id)?;
                awaits(&old)?;
                let mut package = Package::clone(&old);
                if state == package.state {
                    return Ok(package);
                }
                package.state = state;
                package.updated_at = now;
                tx.put(package.clone());
                let data = json!({ "package_guid": id.to_string() });
                apps::note(tx, caller, "audit.app.package.upload", &app, data, now);
                Ok::<_, ActionError>(package)
            })
            .await?;
        outcome?;
        let app = package.app;
        self.log(
            app,
            format!("Uploading app package for app with guid {app}"),
        );
        Ok(package)
    }

    /// Changes labels and annotations.
    ///
    /// # Errors
    /// Where the caller may not.
    pub async fn update_package(
        &self,
        caller: &Caller,
        id: PackageId,
        body: Update,
    ) -> Result<Package, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let (_, old) = find(tx, caller, Verb::WriteApps, id)?;
                let mut package = Package::clone(&old);
                body.metadata
                    .apply(&mut package.metadata)
                    .map_err(ActionError::Unprocessable)?;
                package.updated_at = now;
                tx.put(package.clone());
                Ok(package)
            })
            .await
    }

    /// Deletes a package; droplets that were made of it stay.
    ///
    /// # Errors
    /// Where the caller may not, or it is being staged.
    pub async fn delete_package(&self, caller: &Caller, id: PackageId) -> Result<Job, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let (app, _) = find(tx, caller, Verb::WriteApps, id)?;
                if tx.staging_builds().any(|build| build.package == id) {
                    return Err(ActionError::Unprocessable(
                        "The package is being staged: delete it once the build has ended."
                            .to_owned(),
                    ));
                }
                tx.delete(id);
                let data = json!({ "package_guid": id.to_string() });
                apps::note(tx, caller, "audit.app.package.delete", &app, data, now);
                Ok(finished_job(tx, "package.delete", now))
            })
            .await
    }

    /// The digest of the package's bits, for downloading them.
    ///
    /// # Errors
    /// Where the caller may not see an app's secrets, or there are no bits.
    pub fn package_bits(&self, caller: &Caller, id: PackageId) -> Result<String, ActionError> {
        let (_, package) = find(&self.store.state(), caller, Verb::ReadSecrets, id)?;
        match &package.state {
            PackageState::Ready { sha256 } => Ok(sha256.clone()),
            _ => Err(ActionError::Unprocessable(
                "Package has no bits to download.".to_owned(),
            )),
        }
    }
}

/// The package and its app, where the caller may do `verb` to them.
pub(super) fn find(
    state: &State,
    caller: &Caller,
    verb: Verb,
    id: PackageId,
) -> Result<(Arc<App>, Arc<Package>), ActionError> {
    let missing = ActionError::NotFound("Package");
    let Some(package) = state.packages.get(&id) else {
        return Err(missing);
    };
    let app = apps::find(state, caller, verb, package.app).map_err(|error| match error {
        ActionError::NotFound(_) => missing,
        other => other,
    })?;
    Ok((app, Arc::clone(package)))
}

fn awaits(package: &Package) -> Result<(), ActionError> {
    if package.state == PackageState::AwaitingUpload {
        Ok(())
    } else {
        Err(ActionError::BitsUploaded)
    }
}

fn no_app() -> ActionError {
    ActionError::Unprocessable(
        "App is invalid. Ensure it exists and you have access to it.".to_owned(),
    )
}
