//! Who an instance is, told in files: its certificate and key, and what it is to trust.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::task::spawn_blocking;

use crate::{
    certs::{Bearer, CERTIFICATE, CREDENTIALS, CertsError, InstanceAuthority, KEY, TRUSTED},
    model::AppId,
    sandbox::Bind,
    store::State,
};

/// Their folder in the sandbox's folder, which is for nobody else's eyes.
const FOLDER: &str = "credentials";

/// Whose instances of the app are; none where there is no such app.
#[must_use]
pub fn bearer(state: &State, app: AppId) -> Option<Bearer> {
    let space = state.apps.get(&app)?.space;
    let org = state.spaces.get(&space)?.org;
    Some(Bearer { org, space, app })
}

/// The variables that tell where they are.
pub(super) fn variables() -> [(&'static str, String); 2] {
    [
        ("CF_INSTANCE_CERT", format!("{CREDENTIALS}/{CERTIFICATE}")),
        ("CF_INSTANCE_KEY", format!("{CREDENTIALS}/{KEY}")),
    ]
}

/// Where the credentials of the sandbox in `dir` are on the host.
pub(super) fn folder(dir: &Path) -> PathBuf {
    dir.join(FOLDER)
}

/// What of the host the sandbox in `dir` sees of them.
pub(super) fn binds(authority: &InstanceAuthority, dir: &Path) -> Vec<Bind> {
    let each = [
        (folder(dir), CREDENTIALS),
        (authority.trusted().to_owned(), TRUSTED),
    ];
    each.map(|(source, target)| Bind {
        source,
        target: PathBuf::from(target),
        writable: false,
    })
    .into()
}

/// Makes the credentials of the instance `guid` in its sandbox's folder.
pub(super) async fn make(
    authority: &Arc<InstanceAuthority>,
    guid: String,
    bearer: Bearer,
    dir: PathBuf,
) -> Result<(), CertsError> {
    let working = Arc::clone(authority);
    let made = spawn_blocking(move || {
        let path = folder(&dir);
        working
            .issue(&guid, &bearer)?
            .write(&path)
            .map_err(|source| CertsError::Credentials { path, source })
    });
    let made = made.await.map_err(|panicked| CertsError::Credentials {
        path: PathBuf::from(FOLDER),
        source: io::Error::other(panicked),
    });
    let authority = Arc::clone(authority);
    // Nobody waits for what is made for the next one.
    drop(spawn_blocking(move || authority.refill()));
    made?
}
