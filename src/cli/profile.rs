//! What the client remembers between calls: where, who, and which space.

use std::{
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::net::Verify;

/// A secret text that does not show in debug output.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A thing by its id and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) guid: String,
    pub(super) name: String,
}

/// The content of `client.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Profile {
    pub(super) api: String,
    pub(super) login: String,
    pub(super) log_cache: String,
    pub(super) skip_ssl_validation: bool,
    pub(super) ca_file: Option<PathBuf>,
    /// The port of plain HTTP, where the platform is this machine's own and seen by it alone.
    pub(super) local_http: Option<u16>,
    pub(super) username: String,
    pub(super) access_token: Secret,
    pub(super) refresh_token: Secret,
    pub(super) org: Option<Named>,
    pub(super) space: Option<Named>,
}

const FILE: &str = "client.json";

impl Profile {
    /// What is remembered in `dir`; nothing where nothing is.
    pub(super) fn read(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(FILE);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| {
                format!("{} is damaged; remove it and log in again", path.display())
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Keeps it in `dir`, in one step and for nobody else's eyes.
    pub(super) fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let write = || -> io::Result<()> {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)?;
            let mut file = tempfile::Builder::new()
                .permissions(fs::Permissions::from_mode(0o600))
                .tempfile_in(dir)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.persist(dir.join(FILE))?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", dir.join(FILE).display()))
    }

    pub(super) fn verify(&self) -> Verify {
        match (&self.ca_file, self.skip_ssl_validation) {
            (_, true) => Verify::Skip,
            (Some(file), false) => Verify::With(file.clone()),
            (None, false) => Verify::System,
        }
    }

    pub(super) fn logged_in(&self) -> bool {
        !self.api.is_empty() && !self.refresh_token.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_for_the_owner_alone_and_not_in_debug_output() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("deep/pastina");
        assert_eq!(Profile::read(&home).unwrap(), Profile::default());
        let profile = Profile {
            api: "https://a".to_owned(),
            refresh_token: Secret("s3cret".to_owned()),
            ..Profile::default()
        };
        profile.write(&home).unwrap();
        assert_eq!(Profile::read(&home).unwrap(), profile);
        let mode = fs::metadata(home.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{profile:?}").contains("s3cret"));
    }
}
