//! Packages: what people upload.

use std::sync::Arc;

use serde_json::json;

use super::{ActionError, Actions, Caller, apps, flags, jobs::finished_job};
use crate::{
    authz::Verb,
    blobs::{Blob, BlobError, Resource},
    images::Reference,
    model::{
        App, AppId, Flag, ImageSource, Job, LifecycleKind, Metadata, Package, PackageId,
        PackageState, RegistryLogin,
    },
    store::State,
    wire::{
        self,
        package::{Create, ImageData, Update},
    },
};

/// Bytes of a user's name or password at a registry; tokens in their place have some thousand.
const MAX_LOGIN: usize = 64 * 1024;

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
            Some("bits") => {
                self.new_package(caller, &body, PackageState::AwaitingUpload, None)
                    .await
            }
            Some("docker") => {
                if !self.config.images {
                    return Err(ActionError::DockerDisabled);
                }
                let image = image(&body.data)?;
                self.new_package(caller, &body, PackageState::Remote, Some(image))
                    .await
            }
            other => Err(ActionError::Unprocessable(format!(
                "Type must be one of 'bits', 'docker', not '{}'",
                other.unwrap_or_default()
            ))),
        }
    }

    /// Whether clients may be told which files are kept already; they then need not send them.
    ///
    /// # Errors
    /// Where the caller may not upload at all.
    pub fn matches_resources(&self, caller: &Caller) -> Result<bool, ActionError> {
        let state = self.store.state();
        flags::need(&state, caller, Flag::AppBitsUpload)?;
        Ok(state.is_on(Flag::ResourceMatching))
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
        let state = match &source.state {
            state @ (PackageState::Ready { .. } | PackageState::Remote) => state.clone(),
            PackageState::AwaitingUpload | PackageState::Failed { .. } | PackageState::Expired => {
                return Err(ActionError::Unprocessable(
                    "The source package has no bits: copy one that is READY.".to_owned(),
                ));
            }
        };
        self.new_package(caller, &body, state, source.image.clone())
            .await
    }

    async fn new_package(
        &self,
        caller: &Caller,
        body: &Create,
        state: PackageState,
        image: Option<ImageSource>,
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
                fits(&app, image.is_some())?;
                let package = Package {
                    id: PackageId::random(),
                    app: app.id,
                    state,
                    image,
                    metadata,
                    created_at: now,
                    updated_at: now,
                };
                tx.put(package.clone());
                let data = json!({
                    "package_guid": package.id.to_string(),
                    "request": { "type": wire::package::kind(&package) },
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
        let state = self.store.state();
        let (_, package) = find(&state, caller, Verb::WriteApps, id)?;
        flags::need(&state, caller, Flag::AppBitsUpload)?;
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
            PackageState::Remote => Err(ActionError::Unprocessable(
                "Package type must be bits: an image is in its registry.".to_owned(),
            )),
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

/// Passes where the app is of the kind that such a package is for.
fn fits(app: &App, image: bool) -> Result<(), ActionError> {
    let words = match (app.lifecycle.kind, image) {
        (LifecycleKind::Buildpack, true) => "Cannot create Docker package for a buildpack app.",
        (LifecycleKind::Cnb, true) => "Cannot create Docker package for a CNB app.",
        (LifecycleKind::Docker, false) => "Cannot create bits package for a Docker app.",
        _ => return Ok(()),
    };
    Err(ActionError::Unprocessable(words.to_owned()))
}

/// The image that a request names.
fn image(data: &ImageData) -> Result<ImageSource, ActionError> {
    let refuse = |words: &str| ActionError::Unprocessable(words.to_owned());
    let named = data.image.as_deref().filter(|image| !image.is_empty());
    let reference = named.ok_or_else(|| refuse("Data Image required"))?;
    Reference::parse(reference).map_err(|error| ActionError::Unprocessable(error.to_string()))?;
    let username = data.username.as_deref().filter(|name| !name.is_empty());
    let password = data.password.0.as_deref().filter(|word| !word.is_empty());
    let login = match (username, password) {
        (None, None) => None,
        (Some(username), Some(password)) => {
            let plain = |text: &str| text.len() <= MAX_LOGIN && !text.contains(char::is_control);
            // Between them a colon stands.
            if !plain(username) || !plain(password) || username.contains(':') {
                return Err(refuse(
                    "Username and password have at most 64 KiB each, without control characters, and \
                     the username no colon",
                ));
            }
            Some(RegistryLogin {
                username: username.to_owned(),
                password: password.to_owned(),
            })
        }
        (Some(_), None) => return Err(refuse("Password required: the registry asks for both")),
        (None, Some(_)) => return Err(refuse("Username required: the registry asks for both")),
    };
    Ok(ImageSource {
        reference: reference.to_owned(),
        login,
    })
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
